internal import JobModel
internal import LinuxSystem
internal import NodeLink
internal import TreeSync

/// The head's directories: a process of its own takes each in, and this agent gives it back when its job is forgotten.
extension Agent {
    func openTreeIntake(_ number: UInt16, _ session: HeadSession) {
        do throws(SystemError) {
            let program = try Daemon.sibling("martlet-agent")
            session.open(
                number,
                try IntakeStream(
                    [
                        program, "trees", directories.state, directories.data, directories.run,
                        directories.config,
                    ], loop))
        } catch {
            session.refuse(number, "no directory can be taken in: \(error)")
        }
    }

    func releaseTrees(of job: JobID) { TreeStore(directories).release(job) }
    func releaseTrees(but jobs: [JobID]) { TreeStore(directories).releaseAll(but: jobs) }
}

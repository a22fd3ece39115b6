internal import ImageIntake
internal import JobModel
internal import LinuxSystem
internal import NodeLink

/// The images of this node's jobs: a process of its own takes each in, and this agent gives it back when the job is forgotten.
extension Agent {
    func openIntake(_ number: UInt16, _ session: HeadSession) {
        do throws(SystemError) {
            let program = try Daemon.sibling("martlet-agent")
            session.open(
                number,
                try IntakeStream(
                    [
                        program, "layers", directories.state, directories.data, directories.run,
                        directories.config,
                    ], loop))
        } catch {
            session.refuse(number, "no image can be taken in: \(error)")
        }
    }

    func releaseImage(of job: JobID) { LayerIntake.release(job, directories) }
    func releaseImages(but jobs: [JobID]) {
        LayerIntake.releaseAll(but: jobs, directories)
    }
}

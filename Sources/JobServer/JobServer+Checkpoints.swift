internal import JobModel
internal import LinuxSystem
internal import NodeLink
internal import Scheduling

// What former attempts of a task kept for the next one goes where that one runs, before it starts.

extension JobServer {
    /// True where nothing is to be brought first; else the attempt is sent once it is there.
    func hasCheckpoint(_ dispatch: Dispatch, on name: String) -> Bool {
        let id = dispatch.attempt
        guard id.number > 1, let node = nodes[name], !node.restored.contains(id) else {
            return true
        }
        nodes[name]?.restoring[id] = dispatch
        let connection = node.stateNumber
        let staysHere = node.spec == nil || node.sharesJobs == true && !places.isGang(id.task.job)
        let (line, number) = (node.line, node.lineNumber)
        let done: @Sendable (String?) -> Void = { [weak self, pace] problem in
            pace.start { [weak self] in await self?.restored(id, on: name, connection, problem) }
        }
        do throws(SystemError) {
            try pace.block { [places] in
                guard
                    let checkpoint = TaskCheckpoint(
                        for: id, task: places.task(id.task, on: name),
                        place: { places.attempt($0, on: name) })
                else { return done(nil) }
                guard staysHere else {
                    return checkpoint.send(
                        { request, receive throws(LinkError) in
                            try line.open(request, number, receive)
                        }, done: done)
                }
                do throws(SystemError) { try checkpoint.bringHome() } catch {
                    return done("\(error)")
                }
                done(nil)
            }
        } catch { done("\(error)") }
        return false
    }

    private func restored(_ id: AttemptID, on name: String, _ connection: Int, _ problem: String?) {
        // A later connection's hello decided anew.
        guard nodes[name]?.stateNumber == connection,
            let dispatch = nodes[name]?.restoring.removeValue(forKey: id), state.isLive(id)
        else { return }
        if let problem {
            note(
                "the checkpoint of \(id) does not reach node \(name), which starts without: \(problem)"
            )
        }
        nodes[name]?.restored.insert(id)
        run([dispatch], on: name, connection: connection)
    }
}

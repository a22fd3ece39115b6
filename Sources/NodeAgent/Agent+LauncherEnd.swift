internal import ContainerRuntime
internal import Glibc
internal import JobModel
internal import LinuxSystem
internal import NodeLink

/// The ends of a launcher: a connection that broke, its death, and its being told to end.
extension Agent {
    /// The connection is of no more use. That says nothing of the launcher: it hangs up on whom it does not understand, and this
    /// agent may have had no descriptor left for a message.
    func lostLauncher(_ reason: String) {
        guard let lost = launcher else { return }
        note("the connection to the launcher has ended: \(reason)")
        loop.forget(lost.fileDescriptor)
        launcher = nil
        launcherEpoch = nil
        // It has let them go, if it lives.
        prepared = []
        loseCommands()
        if isShuttingDown { return loop.stop() }
        search.startedAt = nil
        search.awaitedSince = nil
        let age = Clock.monotonic() - search.connectedAt
        search.failures = age < LauncherSearch.soundLife ? search.failures + 1 : 1
        seekLauncher(in: search.pause)
    }

    /// Whether no launcher lives; then what the last one wrote down stands, and the rest that it had is lost, never a success.
    /// Only whoever can take its lock knows: one that has just been started does not listen yet.
    func mournLauncher() throws(SystemError) -> Bool {
        guard let lock = try FileLock.attempt(directories.launcherLock) else { return false }
        let heardIt = search.known != nil
        search.known = nil
        if isStartingAnew {
            forgetEverything()
            answerHello()
        } else {
            let exits = journals.setAside { id in
                !heardIt || self.live[id] != nil || self.ended[id] != nil || self.orphans[id] != nil
            }
            for exit in exits { adopt(exit) }
            for (id, task) in live where task.phase == .withLauncher { lose(id) }
        }
        // Until here: a launcher that came meanwhile would have emptied its journal.
        _ = consume lock
        return true
    }

    func lose(_ id: AttemptID) {
        var record = ExitRecord(
            attempt: id, status: .lost("the launcher died"),
            ended: Timestamp(milliseconds: Clock.now()))
        record.started = live[id]?.started?.started
        if let started = record.started { record.ended = max(record.ended, started) }
        reportWithFiles(record)
    }

    // MARK: Another head

    /// Ends everything, launcher included; a new one is started when it has gone.
    func startAnew() {
        isStartingAnew = true
        // One that is still sought is told when it is found.
        if launcherEpoch != nil { shutLauncherDown() }
    }

    func shutLauncherDown() {
        withLauncher { launcher throws(SystemError) in try launcher.shutdown() }
    }

    private func forgetEverything() {
        isStartingAnew = false
        releaseImages(but: [])
        releaseTrees(but: [])
        for orphan in orphans.values { if let upper = orphan.upper { close(upper) } }
        (queue, live, ended, orphans, finishing) = ([], [:], [:], [:], [])
        prepared = []
        followers = [:]
        (busyCPUs, memoryInUse) = ([], 0)
        (outgoingStarts, outgoingExits) = ([], [])
        templates.removeAll()
        journals.removeAll()
    }

    // MARK: Shutdown

    /// Ends the launcher, and this agent as soon as the launcher's queue has taken that in.
    func endLauncher() {
        // One that is being sought is told when it is found, and none that lives leaves nothing to tell.
        guard let launcher else { return }
        shutLauncherDown()
        if !launcher.isCongested { loop.stop() }
    }
}

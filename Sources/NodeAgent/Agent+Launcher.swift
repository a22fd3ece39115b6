internal import ContainerRuntime
internal import Glibc
internal import JobModel
internal import LinuxSystem
internal import NodeLink

/// The search for a launcher: when one was started, and how often that has failed lately.
struct LauncherSearch {
    /// Milliseconds that a launcher may take until it listens.
    static let patience: Int64 = 3000
    /// A launcher that lives as long is no failure when it dies.
    static let soundLife: Int64 = 2000

    var startedAt: Int64?
    var connectedAt: Int64 = 0
    var failures = 0
    /// One was started, and did not come to listen.
    var hasFailed = false

    /// Milliseconds to wait before the next start: none at first, so that a killed launcher is replaced at once.
    var pause: Int64 { failures < 2 ? 0 : min(2000, 50 << Int64(min(failures, 10))) }
}

/// The launcher: found or started, heard, and mourned. Nothing here waits.
extension Agent {
    /// Connects to the launcher that runs, or starts one and looks again soon.
    func seekLauncher() {
        guard launcher == nil else { return }
        do throws(SystemError) {
            let client = try LauncherClient(connectingTo: directories.launcherSocket)
            try loop.watch(client.fileDescriptor, for: .read) { [unowned self] ready in
                if ready.contains(.write) { self.launcherHasRoom() }
                if !ready.isDisjoint(with: [.read, .hangup]) { self.readLauncher() }
            }
            launcher = client
            search.connectedAt = Clock.monotonic()
        } catch {
            guard [ENOENT, ECONNREFUSED].contains(error.errno) else { return launcherFailed(error) }
            do throws(SystemError) {
                if search.startedAt == nil {
                    for exit in journals.setAside() { adopt(exit) }
                    try startLauncher()
                    search.startedAt = Clock.monotonic()
                }
            } catch { return launcherFailed(error) }
            let waited = Clock.monotonic() - (search.startedAt ?? 0)
            guard waited < LauncherSearch.patience else { return launcherFailed(error) }
            loop.after(1) { [unowned self] in self.seekLauncher() }
        }
    }

    private func launcherFailed(_ error: SystemError) {
        search.startedAt = nil
        search.failures += 1
        search.hasFailed = true
        hold(
            .launcher,
            "the launcher does not start: \(Self.lastLine(of: directories) ?? "\(error)")")
        answerHello()
        loop.after(max(1000, search.pause)) { [unowned self] in self.seekLauncher() }
    }

    /// What the launcher said last, where it keeps its log.
    private static func lastLine(of directories: Directories) -> String? {
        let path = directories.run + "/launcher.log"
        guard let log = try? OwnedFD.open(path, O_RDONLY),
            lseek(log.raw, -1024, SEEK_END) >= 0 || lseek(log.raw, 0, SEEK_SET) == 0,
            let text = try? Files.read(log.raw, path, limit: 4096)
        else { return nil }
        return String(decoding: text, as: UTF8.self).split(separator: "\n").last.map(String.init)
    }

    func readLauncher() {
        // As many as are there, yet the head is heard in between.
        for _ in 0..<256 {
            guard let launcher, launcher.hasMessage else { break }
            do throws(SystemError) {
                guard let (event, descriptor) = try launcher.receive() else {
                    return launcherDied()
                }
                handle(event, descriptor)
            } catch {
                note("the launcher cannot be understood: \(error)")
                return launcherDied()
            }
        }
        pump()
    }

    private func handle(_ event: LauncherEvent, _ descriptor: Int32?) {
        switch event {
        case .hello(let epoch, let running, let exited):
            launcherEpoch = epoch
            search = LauncherSearch(connectedAt: Clock.monotonic(), failures: search.failures)
            hold(.launcher, nil)
            for start in running { begun(start) }
            // Told one by one after this; until then they are known as accepted.
            for exit in exited { adoptLater(exit) }
            answerHello()
        case .started(let start): begun(start)
        case .exited(let exit): finish(exit, upper: descriptor)
        }
    }

    private func begun(_ start: ContainerStart) {
        guard let id = AttemptID(start.id), ended[id] == nil, orphans[id] == nil else { return }
        let record = StartRecord(
            attempt: id, started: Timestamp(milliseconds: start.at),
            enforcement: Enforcement(
                cpu: start.enforcement.cpu, memory: start.enforcement.memory,
                pids: start.enforcement.pids))
        live[id, default: Live(phase: .withLauncher)].started = record
        report(record)
    }

    private func adoptLater(_ exit: ContainerExit) {
        guard let id = AttemptID(exit.id), ended[id] == nil, orphans[id] == nil, live[id] == nil
        else { return }
        live[id] = Live(phase: .withLauncher)
    }

    /// Does something with the launcher where there is one. Where it has just died, the reading side sees that.
    func withLauncher(_ action: (LauncherClient) throws(SystemError) -> Void) {
        guard let launcher else { return }
        try? action(launcher)
        if launcher.isCongested { awaitRoom() }
    }

    /// The launcher's queue is full: `launcherHasRoom` is called once it is not.
    func awaitRoom() {
        guard let launcher else { return }
        // A descriptor that is watched already can be changed.
        try? loop.change(launcher.fileDescriptor, to: [.read, .write])
    }

    private func launcherHasRoom() {
        guard let launcher, let hasRoom = try? launcher.flush(), hasRoom else { return }
        try? loop.change(launcher.fileDescriptor, to: .read)
        pump()
    }

    // MARK: Death

    /// Its containers died with it. What it had recorded stands; the rest is lost, and never a success.
    private func launcherDied() {
        guard let dead = launcher else { return }
        loop.forget(dead.fileDescriptor)
        launcher = nil
        launcherEpoch = nil
        note("the launcher died")
        let age = Clock.monotonic() - search.connectedAt
        search.failures = age < LauncherSearch.soundLife ? search.failures + 1 : 1
        if isStartingAnew { forgetEverything() }
        for exit in journals.setAside() {
            if let id = AttemptID(exit.id), live[id] != nil { adopt(exit) }
        }
        for (id, task) in live where task.phase == .withLauncher {
            var record = ExitRecord(
                attempt: id, status: .lost("the launcher died"),
                ended: Timestamp(milliseconds: Clock.now()))
            record.started = task.started?.started
            report(record)
        }
        search.startedAt = nil
        loop.after(search.pause) { [unowned self] in self.seekLauncher() }
    }

    // MARK: Another head

    /// Ends everything, launcher included; a new one is started when it has gone.
    func startAnew() {
        guard launcher != nil else { return forgetEverything() }
        isStartingAnew = true
        withLauncher { launcher throws(SystemError) in try launcher.shutdown() }
    }

    private func forgetEverything() {
        isStartingAnew = false
        for orphan in orphans.values { if let upper = orphan.upper { close(upper) } }
        (queue, live, ended, orphans, collections) = ([], [:], [:], [:], [])
        (busyCPUs, memoryInUse) = ([], 0)
        (outgoingStarts, outgoingExits) = ([], [])
        templates.removeAll()
        _ = journals.setAside()
        journals.removeSetAside()
    }
}

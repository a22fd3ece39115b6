internal import ContainerRuntime
internal import Glibc
internal import JobModel
internal import LinuxSystem
internal import NodeLink

/// The search for a launcher: when one was started, and how often that has failed lately.
struct LauncherSearch {
    /// Milliseconds that a launcher may take until it listens.
    static let patience: Int64 = 3000
    /// A connection that stands as long is no failure when it ends.
    static let soundLife: Int64 = 2000

    var startedAt: Int64?
    /// Since when one lives that does not listen.
    var awaitedSince: Int64?
    var connectedAt: Int64 = 0
    var failures = 0
    /// One was started, and did not come to listen.
    var hasFailed = false
    /// The launcher that was heard last; nil where none was, or it has been mourned.
    var known: String?

    /// Milliseconds to wait before the next start: none at first, so that a killed launcher is replaced at once.
    var pause: Int64 { failures < 2 ? 0 : min(2000, 50 << Int64(min(failures, 10))) }
}

/// The launcher: found or started, and heard. Nothing here waits.
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
            if isShuttingDown { endLauncher() }
        } catch {
            guard [ENOENT, ECONNREFUSED].contains(error.errno) else { return launcherFailed(error) }
            do throws(SystemError) {
                if search.startedAt == nil, try mournLauncher() {
                    if isShuttingDown { return loop.stop() }
                    try startLauncher()
                    search.startedAt = Clock.monotonic()
                }
            } catch { return launcherFailed(error) }
            let now = Clock.monotonic()
            let since = search.startedAt ?? search.awaitedSince ?? now
            search.awaitedSince = since
            guard now - since < LauncherSearch.patience else { return launcherFailed(error) }
            seekLauncher(in: 1)
        }
    }

    func seekLauncher(in milliseconds: Int64) {
        loop.after(milliseconds) { [unowned self] in self.seekLauncher() }
    }

    private func launcherFailed(_ error: SystemError) {
        if isShuttingDown { return loop.stop() }
        search.startedAt = nil
        search.awaitedSince = nil
        search.failures += 1
        search.hasFailed = true
        let reason = error.isShortage ? nil : Self.lastLine(of: directories)
        hold(.launcher, "the launcher does not start: \(reason ?? "\(error)")")
        answerHello()
        seekLauncher(in: max(1000, search.pause))
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

    private func readLauncher() {
        var told: [(event: LauncherEvent, descriptor: Int32?)] = []
        var end: String?
        // As many as are there, yet the head is heard in between.
        while end == nil, told.count < 256, let launcher, launcher.hasMessage {
            do throws(SystemError) {
                if let message = try launcher.receive() {
                    told.append(message)
                } else {
                    end = "it has hung up"
                }
            } catch { end = "\(error)" }
        }
        // Whoever waits for their CPUs does not wait for what else is to be done for those that have ended.
        for case .exited(let exit) in told.lazy.map(\.event) { AttemptID(exit.id).map(release) }
        releaseNext()
        for (event, descriptor) in told { handle(event, descriptor) }
        if let end { return lostLauncher(end) }
        pump()
    }

    private func handle(_ event: LauncherEvent, _ descriptor: Int32?) {
        // It is being ended, and what it has to tell is of no head any more.
        if isStartingAnew {
            if let descriptor { close(descriptor) }
            if case .hello = event { shutLauncherDown() }
            return
        }
        switch event {
        case .hello(let epoch, let running, let exited, let skills):
            launcherSkills = skills
            greet(epoch, running, exited)
        case .started(let start):
            if let descriptor { takeTerminal(descriptor, of: start.id) }
            begun(start)
        case .execStarted(let name): commandBegan(name, terminal: descriptor)
        case .execEnded(let name, let status): commandEnded(name, ExitStatus(status))
        case .exited(let exit): finish(exit, upper: descriptor)
        }
    }

    private func takeTerminal(_ descriptor: Int32, of id: String) {
        guard let attempt = AttemptID(id) else {
            close(descriptor)
            return
        }
        taskHasTerminal(attempt, descriptor)
    }

    private func greet(_ epoch: String, _ running: [ContainerStart], _ exited: [ContainerExit]) {
        bringBack(known: Set(running.map(\.id) + exited.map(\.id)), isSame: epoch == search.known)
        launcherEpoch = epoch
        search = LauncherSearch(
            connectedAt: search.connectedAt, failures: search.failures, known: epoch)
        hold(.launcher, nil)
        for start in running { begun(start) }
        // Told one by one after this; until then they are known as accepted.
        for exit in exited { adoptLater(exit) }
        if !hasSwept { templates.sweep(except: Set(attemptsHere.map(\.task.job))) }
        hasSwept = true
        // A head that was told of another one would take what that had not started for lost, once this agent ends.
        if !isHelloOwed, toldLauncher != epoch {
            session?.close()
            session = nil
            hangUpAll()
        }
        answerHello()
    }

    private var attemptsHere: [AttemptID] {
        Array(live.keys) + Array(orphans.keys) + Array(ended.keys)
    }

    /// What was handed over and the launcher does not name: it came to the same launcher's hands never, since that has read all
    /// that the connection before this one brought it.
    private func bringBack(known: Set<String>, isSame: Bool) {
        var again: [RunTask] = []
        for (id, task) in live where task.phase == .withLauncher {
            guard !known.contains(id.description) else {
                live[id]?.isStopping = false
                if task.isStopping { cancel([id]) }
                continue
            }
            guard isSame, let run = task.task, task.started == nil else {
                lose(id)
                continue
            }
            release(id)
            live[id]?.phase = .queued
            live[id]?.isOurs = false
            again.append(run)
            if task.isStopping { cancel([id]) }
        }
        queue.insert(contentsOf: again.filter { live[$0.attempt] != nil }, at: 0)
    }

    private func begun(_ start: ContainerStart) {
        guard let id = AttemptID(start.id), ended[id] == nil, orphans[id] == nil,
            live[id]?.started == nil
        else { return }
        var record = StartRecord(
            attempt: id, started: Timestamp(milliseconds: start.at),
            enforcement: Enforcement(start.enforcement))
        if !start.ports.isEmpty { record.ports = start.ports.map(PortMapping.init) }
        live[id, default: Live(phase: .withLauncher)].started = record
        followRungs(of: id)
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
        if isShuttingDown { return loop.stop() }
        try? loop.change(launcher.fileDescriptor, to: .read)
        pump()
    }
}

extension PortMapping {
    fileprivate init(_ port: ContainerSpec.Port) {
        self.init(
            address: port.address, hostPort: port.hostPort, taskPort: port.containerPort,
            transport: port.isUDP ? .udp : .tcp)
    }
}

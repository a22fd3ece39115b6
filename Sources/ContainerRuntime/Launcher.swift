internal import CLinux
internal import Glibc
public import LinuxSystem

/// The parent of every container of one user on one machine. One thread, one loop; it never waits for a single container,
/// and outlives the agent that feeds it.
public final class Launcher {
    struct Running {
        let pid: pid_t
        let rule: StopRule
        let slot: Cgroups.Slot?
        let killsBefore: Int64
        var start: ContainerStart
        /// Where the child tells a failing step; -1 once it has run exec.
        var status: Int32
        var failure: (step: String, subject: String, errno: Int32)?
        var upper: Int32?
        var timer: UInt64?
        var timedOut = false
        var stopped = false
    }

    /// An exit that nobody has acknowledged, with the writable layer where it was to be kept.
    struct Ended {
        let exit: ContainerExit
        let upper: Int32?
    }

    let loop: EventLoop
    let trees: PreparedTrees
    let epoch: String
    private let listener: OwnedFD
    private let journal: OwnedFD
    private let signals: OwnedFD
    var cgroups = Cgroups()
    var running: [String: Running] = [:]
    var byPID: [pid_t: String] = [:]
    var ended: [String: Ended] = [:]
    private var agent: Int32?
    /// What the agent's socket has had no room for yet: a stopped agent must not stall the launcher.
    private var outbox: [LauncherEvent] = []
    private var buffer = [UInt8](repeating: 0, count: 1 << 17)
    private var shuttingDown = false
    private var journalSize = 0

    /// Binds `socket`, replaces `journal`, and enters the launcher's namespaces. `workDirectory` becomes a mount point that
    /// nobody else sees. The process must have one thread.
    public init(socket: String, journal: String, workDirectory: String) throws(SystemError) {
        cl_default_signals()
        listener = try UnixSocket.listen(socket, .messages)
        self.journal = try OwnedFD.open(
            journal, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, mode: 0o600)
        trees = try PreparedTrees(directory: workDirectory)
        loop = try EventLoop()
        epoch = "\(getpid())-\(Clock.now())"
        signal(SIGPIPE, SIG_IGN)
        var watched = sigset_t()
        sigemptyset(&watched)
        for number in [SIGCHLD, SIGTERM] { sigaddset(&watched, number) }
        sigprocmask(SIG_BLOCK, &watched, nil)
        signals = OwnedFD(
            try checkErrno(
                signalfd(-1, &watched, Int32(SFD_CLOEXEC) | Int32(SFD_NONBLOCK)), "signalfd"))
        try listener.setNonBlocking()
    }

    /// Runs until it is told to shut down.
    public func run() throws(SystemError) {
        try loop.watch(listener.raw, for: .read) { [unowned self] _ in self.acceptAgent() }
        try loop.watch(signals.raw, for: .read) { [unowned self] _ in self.reap() }
        try loop.run()
        cgroups.remove()
    }

    // MARK: The agent

    private func acceptAgent() {
        // A connection that cannot be accepted is tried again by its owner.
        guard let fd = try? UnixSocket.accept(listener.raw) else { return }
        // What the agent before it had still sent is carried out first: it may have started containers that the new one must see.
        if agent != nil {
            readRequests()
            dropAgent()
        }
        let raw = fd.release()
        agent = raw
        do throws(SystemError) {
            try loop.watch(raw, for: .read) { [unowned self] ready in
                if ready.contains(.write) { self.flush() }
                if ready != .write { self.readRequests() }
            }
        } catch { return dropAgent() }
        // Containers still being set up count as running, and exits are named before they are told one by one: whoever asks
        // the agent meanwhile must not hear that such an attempt was never started.
        tell(
            .hello(
                epoch: epoch, running: running.values.map(\.start),
                exited: ended.values.map(\.exit)))
        // One message each: each may carry a descriptor, and all together may be large.
        for ended in ended.values { tell(.exited(ended.exit)) }
    }

    private func dropAgent() {
        guard let fd = agent else { return }
        loop.forget(fd)
        close(fd)
        agent = nil
        outbox = []
    }

    /// Everything that waits, then back to the loop.
    private func readRequests() {
        guard let fd = agent else { return }
        while true {
            var poller = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
            guard poll(&poller, 1, 0) > 0 else { return }
            do throws(SystemError) {
                guard let (bytes, descriptors) = try LauncherWire.receive(fd, &buffer) else {
                    return dropAgent()
                }
                handle(bytes, descriptors)
                for descriptor in descriptors { close(descriptor) }
            } catch { return dropAgent() }
            if agent == nil { return }
        }
    }

    private func handle(_ bytes: ArraySlice<UInt8>, _ descriptors: [Int32]) {
        // An agent of another build, or none of ours: it gets no second message.
        guard let request = try? LauncherRequest(bytes) else { return dropAgent() }
        switch request {
        case .start(let id, let spec, let rule):
            // Sent again by a new agent: it runs, or it has run.
            guard running[id] == nil, ended[id] == nil, descriptors.count == 2, !shuttingDown else {
                return
            }
            start(id, spec, rule, stdout: descriptors[0], stderr: descriptors[1])
        case .stop(let id): stop(id)
        case .acknowledge(let ids):
            for id in ids {
                if let upper = ended.removeValue(forKey: id)?.upper { close(upper) }
            }
            // Nobody needs what everybody has: the journal starts anew.
            if ended.isEmpty, journalSize > 1 << 16, ftruncate(journal.raw, 0) == 0 {
                journalSize = 0
            }
        case .shutdown:
            shuttingDown = true
            for container in running.values { kill(container.pid, SIGKILL) }
            if running.isEmpty { loop.stop() }
        }
    }

    /// Sends now, or as soon as the agent reads again.
    func tell(_ event: LauncherEvent) {
        guard agent != nil else { return }
        outbox.append(event)
        if outbox.count == 1 { flush() }
    }

    private func flush() {
        guard let fd = agent else { return }
        var sent = 0
        do throws(SystemError) {
            // A socket that polls writable takes a whole message: three quarters of its buffer are free.
            while sent < outbox.count, Self.hasRoom(fd) {
                try send(outbox[sent], to: fd)
                sent += 1
            }
            let wasWaiting = outbox.count > 1
            outbox.removeFirst(sent)
            if wasWaiting || !outbox.isEmpty {
                try loop.change(fd, to: outbox.isEmpty ? .read : [.read, .write])
            }
        } catch {
            // The agent has gone. What it missed is told to the next one.
            dropAgent()
        }
    }

    private func send(_ event: LauncherEvent, to fd: Int32) throws(SystemError) {
        var upper: Int32?
        if case .exited(let exit) = event {
            // Acknowledged while it waited here: then its layer has been closed, and nobody asks any more.
            guard let kept = ended[exit.id] else { return }
            upper = kept.upper
        }
        try LauncherWire.send(fd, event.bytes, upper.map { [$0] } ?? [])
    }

    private static func hasRoom(_ fd: Int32) -> Bool {
        var poller = pollfd(fd: fd, events: Int16(POLLOUT), revents: 0)
        return poll(&poller, 1, 0) > 0
    }

    // MARK: Exits

    private func reap() {
        var information = signalfd_siginfo()
        while read(signals.raw, &information, MemoryLayout<signalfd_siginfo>.size) > 0 {
            if information.ssi_signo == UInt32(SIGTERM) {
                shuttingDown = true
                for container in running.values { kill(container.pid, SIGKILL) }
                if running.isEmpty { return loop.stop() }
            }
        }
        var child = cl_exit()
        while cl_wait(-1, false, &child) > 0 {
            if let id = byPID.removeValue(forKey: child.pid) { finish(id, child) }
        }
        if shuttingDown, running.isEmpty { loop.stop() }
    }

    private func finish(_ id: String, _ child: cl_exit) {
        // The child may have told its failing step in the same moment.
        readStatus(id)
        guard let container = running.removeValue(forKey: id) else { return }
        if container.status >= 0 { closeStatus(container.status) }
        if let timer = container.timer { loop.cancel(timer) }
        let status: ContainerExit.Status =
            if let failure = container.failure {
                .startFailure(step: failure.step, subject: failure.subject, errno: failure.errno)
            } else if child.signalled {
                .signal(child.code)
            } else {
                .code(child.code)
            }
        var exit = ContainerExit(
            id: id, status: status, started: container.start.at, ended: Clock.now())
        exit.userMicroseconds = child.usage.ru_utime.microseconds
        exit.systemMicroseconds = child.usage.ru_stime.microseconds
        // getrusage(2): kilobytes, of the largest process of the tree.
        exit.peakMemory = Int64(child.usage.ru_maxrss) * 1024
        exit.timedOut = container.timedOut
        exit.stopped = container.stopped
        exit.enforcement = container.start.enforcement
        if let slot = container.slot {
            let (peak, kills) = cgroups.usage(slot)
            if peak > 0 { exit.peakMemory = peak }
            exit.outOfMemory = kills > container.killsBefore
            cgroups.give(slot)
        }
        record(exit, upper: container.upper)
    }

    func record(_ exit: ContainerExit, upper: Int32?) {
        // A full disk must not keep the agent from hearing it; the record is then in memory alone until acknowledged.
        let bytes = LauncherJournal.record(exit)
        journalSize += bytes.count
        try? Files.writeAll(journal.raw, bytes, "journal")
        ended[exit.id] = Ended(exit: exit, upper: upper)
        tell(.exited(exit))
    }
}

extension timeval {
    fileprivate var microseconds: Int64 { Int64(tv_sec) * 1_000_000 + Int64(tv_usec) }
}

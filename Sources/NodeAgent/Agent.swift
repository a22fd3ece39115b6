internal import ContainerRuntime
internal import FoundationEssentials
internal import Glibc
internal import JobModel
public import LinuxSystem
internal import NodeLink
internal import Topology

/// One node's agent: its state, mutated only on its loop.
public final class Agent {
    /// A task that has been accepted and waits for its CPUs and memory.
    struct Live {
        let task: RunTask?
        var started: StartRecord?
        var isStopping = false
    }

    let loop: EventLoop
    let directories: Directories
    let epoch: String
    private let startLauncher: () throws(SystemError) -> Void
    private let listener: OwnedFD
    var launcher: LauncherClient?
    var launcherEpoch = ""
    var session: HeadSession?

    var templates: [JobID: JobTemplate] = [:]
    var queue: [RunTask] = []
    var live: [AttemptID: Live] = [:]
    /// Ended, finished and not yet acknowledged by the head.
    var ended: [AttemptID: ExitRecord] = [:]
    /// Ended before this agent knew their job; finished once the head tells it.
    var orphans: [AttemptID: (exit: ContainerExit, upper: Int32?)] = [:]
    var busyCPUs: Set<Int> = []
    var memoryInUse: Int64 = 0
    let inventory: NodeInventory
    var heldReason: String?
    private var outgoingStarts: [StartRecord] = []
    private var outgoingExits: [ExitRecord] = []
    private var isFlushPlanned = false
    private var isPumpPlanned = false

    /// - Parameter startLauncher: starts a launcher that will serve `directories.run`.
    public init(directories: Directories, startLauncher: @escaping () throws(SystemError) -> Void)
        throws(SystemError)
    {
        self.directories = directories
        self.startLauncher = startLauncher
        loop = try EventLoop()
        epoch = "\(getpid())-\(Clock.now())"
        var name = [CChar](repeating: 0, count: 256)
        gethostname(&name, name.count - 1)
        let hostname = String(
            decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        inventory = try NodeTopology.read(usable: try Affinity.current()).inventory(
            hostname: hostname)
        signal(SIGPIPE, SIG_IGN)
        listener = try UnixSocket.listen(directories.agentSocket, .stream)
        try listener.setNonBlocking()
    }

    /// Runs until told to shut down.
    public func run() throws(SystemError) {
        try connectLauncher()
        try loop.watch(listener.raw, for: .read) { [unowned self] _ in self.acceptHead() }
        try loop.run()
    }

    private func acceptHead() {
        // A connection that cannot be accepted is tried again by its owner.
        guard let fd = try? UnixSocket.accept(listener.raw) else { return }
        session?.close()
        do throws(SystemError) {
            session = try HeadSession(fd.release(), loop) { [unowned self] message in
                self.handle(message)
            } onEnd: { [unowned self] in
                self.session = nil
            }
        } catch { session = nil }
    }

    // MARK: What the head says

    private func handle(_ message: ToAgent) {
        switch message {
        case .hello:
            outgoingStarts = []
            outgoingExits = []
            session?.send(.hello(hello()))
            session?.send(.held(reason: heldReason))
        case .job(let template):
            templates[template.job] = template
            adoptOrphans(of: template)
        case .run(let tasks):
            for task in tasks { accept(task) }
            pump()
        case .cancel(let attempts):
            for attempt in attempts { cancel(attempt) }
            flushSoon()
        case .acknowledge(let attempts): acknowledge(attempts)
        case .forget(let job): templates[job] = nil
        case .shutdown: shutdown()
        }
    }

    private func hello() -> AgentHello {
        AgentHello(
            agentEpoch: epoch, launcherEpoch: launcherEpoch, bootID: Self.bootID(),
            inventory: inventory,
            accepted: Array(live.keys) + Array(orphans.keys),
            started: live.values.compactMap(\.started),
            exited: Array(ended.values))
    }

    /// Changes with every boot, random(4).
    private static func bootID() -> String {
        // Where /proc is hidden the boot is unknown, and stays the same unknown.
        let text = (try? Files.text("/proc/sys/kernel/random/boot_id")) ?? "unknown"
        return String(text.prefix { !$0.isWhitespace })
    }

    private func accept(_ task: RunTask) {
        let id = task.attempt
        if let known = live[id] {
            // A new agent learns what a running task occupies.
            if known.task == nil {
                live[id] = Live(task: task, started: known.started, isStopping: known.isStopping)
                occupy(task)
            }
            return
        }
        guard ended[id] == nil, orphans[id] == nil else { return }
        live[id] = Live(task: task)
        queue.append(task)
    }

    private func cancel(_ id: AttemptID) {
        guard live[id]?.isStopping == false else { return }
        if let place = queue.firstIndex(where: { $0.attempt == id }) {
            queue.remove(at: place)
            var record = ExitRecord(
                attempt: id, status: .neverStarted, ended: Timestamp(milliseconds: Clock.now()))
            record.cancelled = true
            report(record)
            return
        }
        live[id]?.isStopping = true
        // A launcher that is gone takes the task with it.
        try? launcher?.stop(id: id.description)
    }

    private func acknowledge(_ attempts: [AttemptID]) {
        for id in attempts {
            ended[id] = nil
            if let upper = orphans.removeValue(forKey: id)?.upper { close(upper) }
        }
        // A launcher that is gone has nothing to forget.
        try? launcher?.acknowledge(attempts.map(\.description))
    }

    private func shutdown() {
        try? launcher?.shutdown()
        session?.close()
        unlink(directories.agentSocket)
        loop.stop()
    }

    // MARK: Resources

    func occupy(_ task: RunTask) {
        busyCPUs.formUnion(task.placement.cpus)
        memoryInUse += memory(of: task)
    }

    func release(_ task: RunTask) {
        busyCPUs.subtract(task.placement.cpus)
        memoryInUse -= memory(of: task)
    }

    private func memory(of task: RunTask) -> Int64 {
        task.memory ?? templates[task.attempt.task.job]?.spec.resources.memory ?? 0
    }

    /// Starts what can start, in order: a task whose CPUs are taken lets those pass that need others.
    func pump() {
        isPumpPlanned = false
        guard heldReason == nil, launcher != nil, !queue.isEmpty else { return }
        var waiting: [RunTask] = []
        var claimed = busyCPUs
        for (place, task) in queue.enumerated() {
            let cpus = task.placement.cpus
            if claimed.isDisjoint(with: cpus), memoryInUse + memory(of: task) <= inventory.memory,
                heldReason == nil
            {
                if start(task) {
                    claimed.formUnion(cpus)
                    continue
                }
            }
            // Who comes later does not take the CPUs for which an earlier one waits.
            claimed.formUnion(cpus)
            waiting.append(task)
            if claimed.count >= inventory.cpuCount, !cpus.isEmpty {
                waiting += queue[(place + 1)...]
                break
            }
        }
        queue = waiting
    }

    // MARK: Reports, a few milliseconds of them at once

    func report(_ start: StartRecord) {
        outgoingStarts.append(start)
        flushSoon()
    }

    func report(_ record: ExitRecord) {
        if let task = live.removeValue(forKey: record.attempt)?.task, record.status != .neverStarted
        {
            release(task)
        }
        ended[record.attempt] = record
        outgoingExits.append(record)
        flushSoon()
    }

    private func flushSoon() {
        guard !isFlushPlanned else { return }
        isFlushPlanned = true
        loop.after(2) { [unowned self] in self.flush() }
    }

    private func flush() {
        isFlushPlanned = false
        defer {
            outgoingStarts = []
            outgoingExits = []
        }
        guard let session else { return }
        // A task that began and ended meanwhile is told by its end alone.
        let starts = outgoingStarts.filter { live[$0.attempt] != nil }
        if !starts.isEmpty { session.send(.started(starts)) }
        for from in stride(from: 0, to: outgoingExits.count, by: Frame.batch) {
            session.send(
                .exited(Array(outgoingExits[from..<min(from + Frame.batch, outgoingExits.count)])))
        }
    }
}

// MARK: The launcher

extension Agent {
    /// Connects to the launcher that runs, or reads the last words of one that died and starts another.
    func connectLauncher() throws(SystemError) {
        var started = false
        let deadline = Clock.monotonic() + 10_000
        while true {
            do throws(SystemError) {
                let client = try LauncherClient(connectingTo: directories.launcherSocket)
                launcher = client
                break
            } catch {
                guard [ENOENT, ECONNREFUSED].contains(error.errno), Clock.monotonic() < deadline
                else { throw error }
                if !started {
                    try readJournal()
                    try startLauncher()
                    started = true
                }
                usleep(2000)
            }
        }
        guard let launcher else { return }
        try loop.watch(launcher.fileDescriptor, for: .read) { [unowned self] _ in
            self.readLauncher()
        }
        readLauncher()
    }

    /// Before a new launcher empties it.
    private func readJournal() throws(SystemError) {
        for exit in try LauncherJournal.read(directories.run + "/launcher.journal") {
            guard let id = AttemptID(exit.id), ended[id] == nil else { continue }
            finish(exit, id, upper: nil)
        }
    }

    private func readLauncher() {
        guard let launcher else { return }
        do throws(SystemError) {
            guard let (event, descriptor) = try launcher.receive() else { return launcherDied() }
            handle(event, descriptor)
        } catch { launcherDied() }
    }

    private func handle(_ event: LauncherEvent, _ descriptor: Int32?) {
        switch event {
        case .hello(let epoch, let running, _):
            launcherEpoch = epoch
            for start in running { handle(.started(start), nil) }
        case .started(let start):
            guard let id = AttemptID(start.id) else { return }
            let record = StartRecord(
                attempt: id, started: Timestamp(milliseconds: start.at),
                enforcement: Enforcement(
                    cpu: start.enforcement.cpu, memory: start.enforcement.memory,
                    pids: start.enforcement.pids))
            if live[id] == nil { live[id] = Live(task: nil) }
            live[id]?.started = record
            report(record)
        case .exited(let exit):
            guard let id = AttemptID(exit.id), ended[id] == nil else {
                if let descriptor { close(descriptor) }
                return
            }
            finish(exit, id, upper: descriptor)
            pumpSoon()
        }
    }

    /// Once for all that the launcher has told in this round of the loop.
    private func pumpSoon() {
        guard !queue.isEmpty else { return }
        pump()
    }

    private func finish(_ exit: ContainerExit, _ id: AttemptID, upper: Int32?) {
        guard let template = templates[id.task.job] else {
            orphans[id] = (exit, upper)
            if let task = live.removeValue(forKey: id)?.task { release(task) }
            return
        }
        report(TaskFinisher(template: template).finish(exit, id, upper: upper))
        if let upper { close(upper) }
    }

    func adoptOrphans(of template: JobTemplate) {
        for (id, orphan) in orphans where id.task.job == template.job {
            orphans[id] = nil
            finish(orphan.exit, id, upper: orphan.upper)
        }
    }

    /// Its containers died with it. What it had recorded stands; the rest is lost, and never a success.
    private func launcherDied() {
        guard let dead = launcher else { return }
        loop.forget(dead.fileDescriptor)
        launcher = nil
        // A journal that cannot be read tells nothing: then those tasks are lost, too.
        try? readJournal()
        for (id, task) in live where !queue.contains(where: { $0.attempt == id }) {
            var record = ExitRecord(
                attempt: id, status: .lost("the launcher died"),
                ended: Timestamp(milliseconds: Clock.now()))
            record.started = task.started?.started
            report(record)
        }
        restartLauncher()
    }

    private func restartLauncher() {
        do throws(SystemError) {
            try connectLauncher()
            if heldReason != nil { hold(nil) }
            pump()
        } catch {
            hold("the launcher does not start: \(error)")
            loop.after(2000) { [unowned self] in self.restartLauncher() }
        }
    }
}

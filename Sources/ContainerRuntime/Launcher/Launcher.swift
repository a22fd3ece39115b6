internal import CLinux
internal import Glibc
public import LinuxSystem

/// The parent of every container of one user on one machine. One thread, one loop; it never waits for a single container,
/// and outlives the agent that feeds it.
public final class Launcher {
    struct Running {
        let pid: pid_t
        /// In the table of containers.
        let entry: Int
        var rule: StopRule
        /// PID 1 is the init that Martlet brings.
        let hasInit: Bool
        let slot: Cgroups.Slot?
        /// Those that hold for whoever joins it, too.
        let limits: [ContainerSpec.ResourceLimit]
        let seccomp: ContainerSpec.Seccomp
        let isPrivileged: Bool
        /// `DeviceInjection.groups`.
        let deviceGroups: [UInt32]
        let killsBefore: Int64
        var start: ContainerStart
        /// Where the child tells a failing step; -1 once it has run exec.
        var status: Int32
        var failure: (step: String, subject: String, errno: Int32)?
        var upper: Int32?
        /// Where the writable layer is, if on disk.
        let layer: String?
        /// Its image's layers, if they are flattened.
        let flattened: [FlattenedLayers.FileIdentity]?
        /// The near end of its terminal, until the agent has it.
        var terminal: Int32?
        /// Of a private network.
        let network: NetworkConnection?
        var timer: UInt64?
        var timedOut = false
        /// It was told that its time is nearly over.
        var isWarned = false
        /// `Clock.monotonic` of its start, moved on by each pause: a task does nothing while the machine is suspended either.
        var began = Clock.monotonic()
        /// `Clock.sinceBoot` of its start: somebody may set the clock before its end.
        var startedSinceBoot = Clock.sinceBoot()
        /// When it was paused; nil while it runs.
        var pausedAt: Int64?
        var stopped = false
        /// It was prepared and has been released, and its program does not run yet.
        var request: StartRequest?
    }

    /// An exit that nobody has acknowledged, with the writable layer where it was to be kept.
    struct Ended {
        let exit: ContainerExit
        let upper: Int32?
        /// On disk, to be removed with it.
        let layer: String?
    }

    /// With its sockets, journal and table.
    let directory: String
    let loop: EventLoop
    let trees: PreparedTrees
    let table: ContainerTable
    /// Where writable layers lie, if on disk.
    var layers: WritableLayers?
    let flattened: FlattenedLayers
    let epoch: String
    let listener: OwnedFD
    let journal: LauncherJournal
    /// Descriptors that a container may open unless its spec says otherwise: as many as before the launcher took more.
    let descriptors: ContainerSpec.ResourceLimit?
    private let signals: OwnedFD
    var cgroups: Cgroups
    var filters: SeccompFilters
    var running: [String: Running] = [:]
    /// Set up, and not yet to be started.
    var prepared: [String: Prepared] = [:]
    /// Those that are no longer wanted, until they have ended.
    var discarded: [pid_t: Running] = [:]
    var byPID: [pid_t: String] = [:]
    /// Those that connect private networks, by the container's id.
    var byNetwork: [pid_t: String] = [:]
    var ended: [String: Ended] = [:]
    /// By the name that the agent gave each.
    var execs: [String: ExecProcess] = [:]
    /// Of processes that have ended before the agent's socket had room for their start.
    var strayTerminals: [String: Int32] = [:]
    /// Starts for which the machine had no descriptors or processes left; they follow when something ends.
    var postponed: [StartRequest] = []
    var agent: Int32?
    /// What the agent's socket has had no room for yet: a stopped agent must not stall the launcher.
    var outbox: [LauncherEvent] = []
    var awaitsRoom = false
    /// It has hung up, and what it had sent is yet to be read.
    var isAgentDeaf = false
    var buffer = [UInt8](repeating: 0, count: 1 << 17)
    var isShuttingDown = false
    /// A pidfd of the agent that started this launcher; nil where it has gone, or where it was started by hand.
    var starter: Int32?
    var hasStarterGone = false
    /// Some agent has been greeted, and may have told of it.
    var isKnown = false

    /// Serves in `directory`: binds the socket there, ends what an earlier launcher left running, and enters the launcher's
    /// namespaces. The caller holds the lock of the directory. The process must have one thread.
    ///
    /// `upperOnDisk` keeps writable layers on disk, as it is done anyway where tmpfs cannot hold them. `agent` is the pid of the one
    /// that it is started for: where that one ends without ever having connected, so does the launcher.
    public init(directory: String, upperOnDisk: Bool = false, agent: Int32? = nil)
        throws(SystemError)
    {
        cl_default_signals()
        self.directory = directory
        // Whoever connects from now on waits for the greeting, and that comes when nothing runs any more.
        listener = try UnixSocket.listen(directory + "/launcher.sock", .messages)
        table = try ContainerTable(directory + Self.tableName)
        journal = try LauncherJournal(directory + "/launcher.journal")
        cgroups = Cgroups()
        Cgroups.succeed(directory + "/launcher.cgroups", with: Cgroups.bases(of: cgroups.mode))
        filters = try SeccompFilters()
        trees = try PreparedTrees(directory: directory + "/mnt", runDirectory: directory)
        layers =
            upperOnDisk || !WritableLayers.fitTmpfs(trees)
            ? WritableLayers(runDirectory: directory) : nil
        loop = try EventLoop()
        flattened = FlattenedLayers(trees, loop)
        epoch = "\(getpid())-\(Clock.now())"
        descriptors = Self.raiseDescriptors()
        signal(SIGPIPE, SIG_IGN)
        var watched = sigset_t()
        sigemptyset(&watched)
        for number in [SIGCHLD, SIGTERM] { sigaddset(&watched, number) }
        sigprocmask(SIG_BLOCK, &watched, nil)
        signals = OwnedFD(
            try checkErrno(
                signalfd(-1, &watched, Int32(SFD_CLOEXEC) | Int32(SFD_NONBLOCK)), "signalfd"))
        try listener.setNonBlocking()
        if let agent { noteStarter(agent) }
        ContainerChild.rehearse()
    }

    /// Whether a launcher that lives serves in `directory`.
    public static func serves(_ directory: String) -> Bool {
        ContainerTable.isHeld(directory + tableName)
    }

    private static let tableName = "/launcher.containers"

    /// Each container takes up to two of the launcher's own. Returns what has to be set back in a container.
    private static func raiseDescriptors() -> ContainerSpec.ResourceLimit? {
        // Where they cannot be read or raised they stay what they are.
        guard let before = try? DescriptorLimit.raise(), before.soft < before.hard else {
            return nil
        }
        return .init(
            resource: Int32(RLIMIT_NOFILE.rawValue), soft: before.soft, hard: before.hard)
    }

    /// Runs until it is told to shut down.
    public func run() throws(SystemError) {
        try loop.watch(listener.raw, for: .read) { [unowned self] _ in self.acceptAgent() }
        try loop.watch(signals.raw, for: .read) { [unowned self] _ in self.readSignals() }
        try watchStarter()
        try loop.run()
        cgroups.remove()
    }

    // MARK: Exits

    private func readSignals() {
        var information = signalfd_siginfo()
        while read(signals.raw, &information, MemoryLayout<signalfd_siginfo>.size) > 0 {
            if information.ssi_signo == UInt32(SIGTERM) { shutDown() }
        }
        var child = cl_exit()
        while cl_wait(-1, false, &child) > 0 {
            if let id = byPID.removeValue(forKey: child.pid) {
                finish(id, child)
            } else if let id = byNetwork.removeValue(forKey: child.pid) {
                networkEnded(id)
            } else if let container = discarded.removeValue(forKey: child.pid) {
                free(container)
            } else {
                reapedExec(child)
            }
        }
        startPostponed()
        stopIfDone()
    }

    func finish(_ id: String, _ child: cl_exit) {
        // The child may have told its failing step in the same moment.
        readStatus(id)
        if awaitsNetworkEnd(id, child) { return }
        guard let container = running.removeValue(forKey: id) else { return preparationEnded(id) }
        if let request = container.request {
            guard container.failure == nil || isShuttingDown else {
                return startAnew(request, container)
            }
            request.close()
        }
        table.end(container.entry)
        if container.status >= 0 { closeStatus(container.status) }
        if let near = container.terminal {
            if container.failure == nil, agent != nil {
                strayTerminals[id] = near
            } else {
                close(near)
            }
        }
        if let timer = container.timer { loop.cancel(timer) }
        if let layers = container.flattened { flattened.give(layers) }
        let exit = exit(of: container, child)
        // A layer on tmpfs that is kept stays charged to its cgroup, which is then of no use to another task.
        if let slot = container.slot { cgroups.give(slot, isUsedUp: container.upper != nil) }
        // Killed for the launcher's own end, it is lost, and may be tried again: no exit of its own.
        if isShuttingDown, exit.status == .signal(SIGKILL), !exit.timedOut, !exit.stopped { return }
        if container.upper == nil, let layer = container.layer { layers?.remove(layer) }
        record(exit, upper: container.upper, layer: container.layer)
    }

    private func exit(of container: Running, _ child: cl_exit) -> ContainerExit {
        let status: ContainerExit.Status =
            if let failure = container.failure {
                .startFailure(step: failure.step, subject: failure.subject, errno: failure.errno)
            } else if child.signalled {
                .signal(child.code)
            } else {
                .code(child.code)
            }
        var exit = ContainerExit(
            id: container.start.id, status: status, started: container.start.at,
            ended: container.start.at + Clock.sinceBoot() - container.startedSinceBoot)
        exit.userMicroseconds = child.usage.ru_utime.microseconds
        exit.systemMicroseconds = child.usage.ru_stime.microseconds
        // getrusage(2): kilobytes, of the largest process of the tree.
        exit.peakMemory = Int64(child.usage.ru_maxrss) * 1024
        exit.timedOut = container.timedOut || container.isWarned && status != .code(0)
        exit.stopped = container.stopped
        exit.enforcement = container.start.enforcement
        if let slot = container.slot {
            let (peak, kills) = cgroups.usage(slot)
            if peak > 0 { exit.peakMemory = peak }
            exit.outOfMemory = kills > container.killsBefore
        }
        return exit
    }

    func record(_ exit: ContainerExit, upper: Int32? = nil, layer: String? = nil) {
        ended[exit.id] = Ended(exit: exit, upper: upper, layer: layer)
        journal.append(exit, waiting: ended.values.lazy.map(\.exit))
        tell(.exited(exit))
    }
}

extension timeval {
    fileprivate var microseconds: Int64 { Int64(tv_sec) * 1_000_000 + Int64(tv_usec) }
}

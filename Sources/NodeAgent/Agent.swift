internal import ContainerRuntime
internal import FoundationEssentials
internal import Glibc
internal import JobModel
public import LinuxSystem
internal import NodeLink
internal import Topology

/// One node's agent: its state, mutated only on its loop.
public final class Agent {
    /// An attempt between its acceptance and its report.
    struct Live {
        enum Phase {
            case queued
            /// Handed to the launcher; runs or will.
            case withLauncher
            /// Ended; its files are being collected, or listed.
            case collecting
        }
        /// Nil where only the launcher has told of it: a new agent, until the head says `run` again.
        var task: RunTask?
        var phase: Phase
        var started: StartRecord?
        var isStopping = false
        /// This agent handed it to the launcher, so that no other one can have finished it.
        var isOurs = false
        /// Its CPUs and memory are counted as in use.
        var occupies = false
        /// Its head has been silent for longer than its lease.
        var isGivenUp = false
    }

    /// What is done for an attempt between its end and the report of it.
    enum Finishing {
        case collecting(Collection)
        case listing(FileSurvey)
    }

    /// Why nothing is started.
    enum Hold: CaseIterable {
        case launcher
        /// Of room on the disk, or of file descriptors.
        case shortage
    }

    let loop: EventLoop
    let directories: Directories
    var inventory: NodeInventory
    let devices: MachineDevices
    /// Changes with every agent process.
    let epoch: String
    let startLauncher: () throws(SystemError) -> Void
    private let listener: OwnedFD

    // Agent+Launcher.swift
    var launcher: LauncherClient?
    /// Nil until the launcher has said what runs.
    var launcherEpoch: String?
    var launcherSkills: UInt8 = 0
    var search = LauncherSearch()
    /// What no attempt here needs has been removed from the disk, once.
    var hasSwept = false
    var journals: Journals

    // Agent+Head.swift
    var session: HeadSession? {
        didSet {
            if let oldValue, oldValue !== session { lastWord = max(lastWord, oldValue.lastWord) }
        }
    }
    /// Connected, and without a hello yet.
    var guests: [HeadSession] = []
    var isHelloOwed = false
    /// The launcher that the last hello named.
    var toldLauncher = ""
    /// What the last hello named as accepted. A `run` that answers it may come when the attempt has ended and been acknowledged,
    /// and is no wish to run it a second time.
    var named: Set<AttemptID> = []
    var identity: HeadIdentity
    /// The launcher is being ended because another head owns this node now.
    var isStartingAnew = false
    /// The launcher is being told to end, and then this agent ends.
    var isShuttingDown = false

    // Agent+Lease.swift
    /// When a head that is gone was heard last, `Clock.sinceBoot`.
    var lastWord = Clock.sinceBoot()

    // Agent+Queue.swift
    var templates: JobTemplates
    /// In the order of their coming.
    var queue: [RunTask] = []
    /// Of these the first for their CPUs, set up by the launcher to be released.
    var prepared: [RunTask] = []
    var live: [AttemptID: Live] = [:]
    var busyCPUs: Set<Int> = []
    var memoryInUse: Int64 = 0
    var holds: [Hold: String] = [:]
    var toldHold: String?
    var isProbing = false

    // Agent+Start.swift
    var taskFiles = TaskFiles()

    // Agent+Session.swift
    var sessions = Sessions()

    // Agent+Finish.swift
    /// Ended and not yet acknowledged by the head.
    var ended: [AttemptID: ExitRecord] = [:]
    /// Ended, and of a job that this agent does not know; finished once the head tells it.
    var orphans: [AttemptID: (exit: ContainerExit, upper: Int32?)] = [:]
    var finishing: [Finishing] = []
    /// The first of them found no room on the disk.
    var finishingWaits = false
    var outgoingStarts: [StartRecord] = []
    var outgoingExits: [ExitRecord] = []
    var areStartsPlanned = false
    var areExitsPlanned = false

    // Agent+Rungs.swift
    /// Attempts of jobs with a search, until their ends are acknowledged.
    var followers: [AttemptID: RungFollower] = [:]
    var isFollowing = false

    // Agent+Files.swift
    var removals: [TreeRemoval] = []

    /// The caller holds the lock that says that no other agent serves these directories.
    /// - Parameters:
    ///   - systemRoot: where /sys and /proc are read for the inventory; another machine's tree shows what that would offer.
    ///   - startLauncher: starts a launcher that will serve `directories.run`.
    public init(
        directories: Directories, systemRoot: String = "/",
        startLauncher: @escaping () throws(SystemError) -> Void
    ) throws(SystemError) {
        self.directories = directories
        self.startLauncher = startLauncher
        loop = try EventLoop()
        epoch = "\(getpid())-\(Clock.now())"
        journals = Journals(directory: directories.run)
        templates = JobTemplates(directory: directories.run + "/jobs")
        identity = HeadIdentity(file: directories.run + "/agent.head")
        let node =
            systemRoot == "/"
            ? try NodeTopology.readThisMachine() : try NodeTopology.read(root: systemRoot)
        inventory = node.inventory(hostname: Self.hostname())
        inventory.facts = NodeFacts.read(directories)
        devices = MachineDevices(root: systemRoot, topology: node)
        signal(SIGPIPE, SIG_IGN)
        // A launcher that ends is this process's child, and nobody waits for it.
        signal(SIGCHLD, SIG_IGN)
        listener = try UnixSocket.listen(directories.agentSocket, .stream)
        try listener.setNonBlocking()
    }

    /// Runs until told to shut down.
    public func run() throws(SystemError) {
        // Exits that a former launcher wrote down and a former agent did not see acknowledged.
        for exit in journals.openSetAside() { adopt(exit) }
        seekLauncher()
        listen()
        watchLease()
        try loop.run()
    }

    func listen() {
        do throws(SystemError) {
            try loop.watch(listener.raw, for: .read) { [unowned self] _ in
                self.acceptHead(self.listener.raw)
            }
        } catch {
            note("the agent cannot listen: \(error)")
            loop.after(Self.shortagePause) { [unowned self] in self.listen() }
        }
    }

    private static func hostname() -> String {
        var name = [CChar](repeating: 0, count: 256)
        gethostname(&name, name.count - 1)
        return String(
            decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

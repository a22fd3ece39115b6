internal import DequeModule
internal import ImageStore
public import JobModel
public import LinuxSystem
internal import Logging
internal import NodeLink
internal import OCISpec
internal import Scheduling
internal import StateStore

/// The head: takes jobs, keeps them on disk, places their tasks on nodes, and knows what became of them.
///
/// Owns the one actor around `ServerState`, the links to the nodes' agents, the fetching of images, and the jobs' directories.
/// It decides nothing itself: events go into `ServerState`, and its effects are carried out here, those that tell
/// anybody anything after the database has them. Must not import the HTTP side or the terminal.
/// Start here, then `JobServer+Inbox.swift` (the one loop), then `JobServer+Effects.swift`.
public actor JobServer {
    let directories: Directories
    let seams: ServerSeams
    let inbox: Inbox
    private let log = Logger(label: "martlet.server")

    var state = ServerState()
    var store: StateStore?
    /// Writes under way, oldest first.
    var uncommitted = Deque<PendingCommit>()
    /// Whoever waits for all that was decided to be on disk; told false when it cannot be.
    var settlers: [Int: CheckedContinuation<Bool, Never>] = [:]
    var lastSettler = 0
    /// By name.
    var nodes: [String: NodeConnection] = [:]
    /// Of this machine among them.
    var localName = ""
    let startedAt: ServerClock
    var pace: ServerPace { seams.pace }
    /// How far the wall clock was ahead of it when that was last looked at.
    var wallAhead: Int64 = 0

    let places: JobPlaces
    /// Until when somebody reads what attempts on other machines write, and where they run.
    var followed: [AttemptID: (node: String, until: Int64)] = [:]
    /// Points of jobs that have not ended.
    var expansions: [JobID: SweepExpansion] = [:]
    /// Those of the ended job that was last asked about: its report comes page by page.
    var lastExpansion: (job: JobID, points: SweepExpansion)?
    /// Root filesystems of jobs whose image is here.
    var roots: [JobID: RootFilesystem] = [:]
    /// Their images, where they have one.
    var images: [JobID: StoredImage] = [:]
    /// Jobs that wait for an image, by what is fetched.
    var fetching: [String: [JobID]] = [:]
    /// How far a fetch is, by the same reference.
    var pulls: [String: PullProgress] = [:]
    var lastFailures: [JobID: String] = [:]
    // JobServer+Best.swift
    /// Among the tasks that have ended.
    var bests: [JobID: BestReport] = [:]
    /// Those of them that are to be saved.
    var changedBests: Set<JobID> = []
    /// What running tasks told last of their job's first metric, by their indexes.
    var toldValues: [JobID: [Int: Double]] = [:]
    var wakeUp: Task<Void, Never>?
    /// Something in the database cannot be as it is: nothing more is decided on it, whatever can be written.
    var isDamaged = false

    // JobServer+Samplers.swift
    var samplers: [JobID: OpenSampler] = [:]

    // JobServer+Sessions.swift
    var sessions: [Int64: OpenSession] = [:]
    /// Above the numbers of every earlier server: a node may still hold one of those.
    lazy var lastSession = store?.epoch ?? startedAt.start.milliseconds

    var versions: [JobID: Int64] = [:]
    var waiters: [JobID: [Int: CheckedContinuation<Void, Never>]] = [:]
    var lastWaiter = 0
    /// Nobody is to wait for a change any longer.
    var isEnding = false
    // JobServer+Events.swift
    /// Of each job, when it started and ended as far as the log of events says.
    var logged: [JobID: LoggedJob] = [:]
    /// Grows with each commit.
    var eventPulse = 0
    var eventReaders: [Int: CheckedContinuation<Void, Never>] = [:]
    /// Whoever waits for ends of several jobs.
    var endWaiters: [Int: (jobs: Set<JobID>, CheckedContinuation<Void, Never>)] = [:]

    // JobServer+Notify.swift
    /// Milliseconds before the second try; each further one waits four times as long.
    var notifyPatience: Int64 = 10_000
    /// Events of jobs that somebody is told of once, and has been.
    var told: Set<StoredNotification.Key> = []

    var isPublishPlanned = false
    var unpublished: Set<JobID> = []

    /// Nothing is opened or started before `start()`.
    public init(directories: Directories) {
        let log = Logger(label: "martlet.server")
        self.init(
            directories: directories,
            seams: .local(directories, warn: { log.warning("\($0)") }))
    }

    init(directories: Directories, seams: ServerSeams) {
        self.directories = directories
        self.seams = seams
        inbox = Inbox(seams.pace)
        startedAt = ServerClock(seams.pace)
        places = JobPlaces(directories)
    }

    /// Opens the database, restores every job, connects to its nodes (starting the local agent where none runs) and goes on.
    /// The caller holds the lock that says that no other server serves these directories.
    public func start() async throws(ErrorReport) {
        guard store == nil else { return }
        inbox.onWork = { [weak self] in await self?.drain() }
        let store = try openStore()
        self.store = store
        for note in store.notes { log.warning("\(note)") }
        JobFolder.sweep(directories)
        for folder in [directories.run, directories.state + "/jobs", directories.data + "/surveys"]
        {
            Files.removeUnfinished(in: folder)
        }
        try connect(try await restore(from: store), store)
        repeatEnded()
    }

    /// Milliseconds since 1970 that never run backwards while this server lives.
    var now: Timestamp { startedAt.now }

    /// What a person's clock says, for times of day: it may be set while the server lives.
    var wallTime: Timestamp {
        Timestamp(milliseconds: now.milliseconds + startedAt.wallAhead)
    }

    /// A line in the server's log, for whoever looks into what happened.
    func note(_ text: String) {
        if let note = seams.note { note(text) } else { log.notice("\(text)") }
    }

    private func openStore() throws(ErrorReport) -> StateStore {
        do {
            try Files.makeDirectories(directories.state + "/jobs", mode: 0o700)
            try Files.makePrivateDirectory(directories.run)
            return try StateStore(
                path: directories.database, firstJob: try JobFolder.nextNumber(directories)
            ) { [inbox] condition in
                switch condition {
                case .held(let error): inbox.post(.event(.held("\(error)")))
                case .released: inbox.post(.event(.released))
                }
            }
        } catch let error as StoreError {
            let report = ErrorReport(
                error: "the server cannot start: \(error.text)",
                hint: error.advice(directories.database))
            if [.corrupt, .tooNew, .misplaced].contains(error.kind) {
                ServerRefusal.leave(report, directories)
            }
            throw report
        } catch {
            throw ErrorReport(error: "the server cannot start: \(error)")
        }
    }
}

/// What is to be done once some writes are on disk.
struct PendingCommit: Sendable {
    var effects: [Effect]
    /// Jobs whose end is among the writes.
    var ends: [JobID]
    var notifications: [StoredNotification] = []
}

/// The wall clock at the start, carried on by one that nobody sets and that goes on while the machine sleeps, as
/// `Task.sleep` does: setting the clock moves no deadline.
struct ServerClock: Sendable {
    private let wall: Int64
    private let boot: Int64
    private let pace: ServerPace

    init(_ pace: ServerPace) {
        (wall, boot) = (pace.wall(), pace.sinceBoot())
        self.pace = pace
    }

    var now: Timestamp { Timestamp(milliseconds: wall + pace.sinceBoot() - boot) }
    var start: Timestamp { Timestamp(milliseconds: wall) }

    /// Milliseconds by which the wall clock has been set forward since the start.
    var wallAhead: Int64 { pace.wall() - wall - (pace.sinceBoot() - boot) }
}

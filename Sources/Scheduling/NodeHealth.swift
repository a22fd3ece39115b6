import JobModel

/// How tasks fare on a node: what makes it look broken, and what does not.
struct NodeHealth: Sendable {
    /// An attempt that could not be started, or failed at once.
    struct Failure: Sendable, Hashable {
        let attempt: AttemptID
        /// `exit code 1 after 0.4 s`.
        let text: String
        let isStart: Bool
    }

    /// What one end says of its node.
    enum Sign {
        /// It ran as tasks do.
        case well
        case failure(Failure)
        /// It would have ended so anywhere.
        case nothing
    }

    /// Milliseconds: what fails later has worked so far.
    static let soon: Int64 = 10_000
    /// Failures in a row that are too many; fewer where nothing starts at all.
    static let (mostFailures, mostStartFailures) = (8, 3)

    /// Failures since the last attempt that fared well, oldest first; of more than are too many, the last ones.
    private(set) var row: [Failure] = []
    /// Why the node is given no work.
    var quarantine: String?

    /// Not so many failures that it could not be relied upon.
    var isSound: Bool { quarantine == nil && row.count < Self.mostStartFailures }

    mutating func note(_ sign: Sign) {
        switch sign {
        case .well: row = []
        case .failure(let failure): row = row.suffix(Self.mostFailures - 1) + [failure]
        case .nothing: break
        }
    }

    /// The failures that are too many; nil where there are not so many.
    var tooMany: [Failure]? {
        let starts = row.reversed().prefix(while: \.isStart).reversed()
        if starts.count >= Self.mostStartFailures { return Array(starts) }
        return row.count >= Self.mostFailures ? row : nil
    }
}

extension NodeHealth.Sign {
    init(_ record: ExitRecord) {
        let isOwnFault = record.timedOut || record.outOfMemory || record.cancelled
        guard !isOwnFault, let failure = NodeHealth.Failure(record) else {
            self = record.isSuccess ? .well : .nothing
            return
        }
        let time = record.duration ?? 0
        self = failure.isStart || time < NodeHealth.soon ? .failure(failure) : .well
    }
}

extension NodeHealth.Failure {
    init?(_ record: ExitRecord) {
        let time = record.duration ?? 0
        let after = " after \(time / 1000).\(time % 1000 / 100) s"
        attempt = record.attempt
        switch record.status {
        case .code(0), .lost, .neverStarted: return nil
        case .code(let code): text = "exit code \(code)" + after
        case .signal(let signal): text = "killed by signal \(signal)" + after
        case .startFailure(let step, let subject, let errno):
            isStart = true
            text = "could not be started: \(step) \(subject): errno \(errno)"
            return
        }
        isStart = false
    }
}

extension ExitRecord {
    /// Milliseconds; nil where it never ran.
    var duration: Int64? { started.map { max(0, ended.milliseconds - $0.milliseconds) } }
}

/// Up to two names: as many as tell whether there is another than a given one.
struct NamePair: Sendable, Hashable {
    private var first: String?
    private var second: String?

    mutating func insert(_ name: String) {
        guard first != nil else {
            first = name
            return
        }
        if second == nil, first != name { second = name }
    }

    func hasOther(than name: String) -> Bool {
        second != nil || first != nil && first != name
    }
}

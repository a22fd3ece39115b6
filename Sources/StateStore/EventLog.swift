internal import GRDB
public import JobModel

/// An event about to be kept; its number is the database's to give.
public struct EventDraft: Sendable, Hashable {
    public var time: Timestamp
    public var kind: EventReport.Kind
    public var job: JobID?
    /// Of one task, or of several that share it.
    public var tasks: Range<Int>?
    public var attempt: Int?
    public var state: String?
    public var node: String?
    public var code: Int32?
    public var signal: Int32?
    public var started: Timestamp?
    public var reason: String?
    public var counts: TaskCounts?
    public init(_ kind: EventReport.Kind, at time: Timestamp, job: JobID? = nil) {
        self.kind = kind
        self.time = time
        self.job = job
    }
}

/// How many events are kept, the newest ones. Those of tasks are many, and go earlier.
public struct EventLimits: Sendable {
    public var tasks: Int
    public var others: Int
    /// Events between two looks at what may go.
    public var interval: Int
    /// About 10 MB at most.
    public static let standard = EventLimits(tasks: 100_000, others: 10_000, interval: 10_000)
    public init(tasks: Int, others: Int, interval: Int) {
        self.tasks = tasks
        self.others = others
        self.interval = interval
    }
}

/// The writing side, on the writing thread: inserts within the transaction at hand, and drops what is too old now and then.
struct EventLog {
    let limits: EventLimits
    /// At once for what an earlier server left.
    private var sinceCompaction = Int.max / 2

    init(_ limits: EventLimits) { self.limits = limits }

    mutating func insert(_ event: EventDraft, _ statement: Statement) throws {
        try statement.execute(arguments: [
            event.time.milliseconds, EventCode.code(event.kind), event.job?.rawValue,
            event.tasks?.lowerBound,
            event.tasks.flatMap { $0.count > 1 ? $0.upperBound - 1 : nil }, event.attempt,
            event.state, event.node, event.code, event.signal, event.started?.milliseconds,
            event.reason, event.counts.map(CountList.text),
        ])
        sinceCompaction += 1
    }

    /// Keeps the newest, in the transaction that wrote them.
    mutating func compact(_ database: Database) throws {
        guard sinceCompaction >= limits.interval else { return }
        sinceCompaction = 0
        let newest = try Int64.fetchOne(database, sql: "SELECT MAX(sequence) FROM events") ?? 0
        let horizon = newest - Int64(limits.tasks)
        guard horizon > 0 else { return }
        try database.execute(
            sql: "DELETE FROM events WHERE sequence <= ? AND kind < ?",
            arguments: [horizon, EventCode.firstOther])
        // Beyond the horizon only others are left: a short way to the one that is too many.
        try database.execute(
            sql: """
                DELETE FROM events WHERE sequence <=
                    (SELECT sequence FROM events WHERE sequence <= ? ORDER BY sequence DESC LIMIT 1 OFFSET ?)
                """, arguments: [horizon, limits.others])
        try database.execute(
            sql: "INSERT OR REPLACE INTO facts VALUES ('events complete after', ?)",
            arguments: [String(horizon)])
    }
}

extension StateStore {
    /// Events after `sequence`, those of some jobs alone where jobs are given. Where some are gone, a `compacted` comes first.
    /// Blocks.
    public func events(after sequence: Int64, of jobs: [JobID] = [], limit: Int)
        throws(StoreError) -> EventPage
    {
        let filter =
            jobs.isEmpty
            ? "" : "AND job IN (\(jobs.map { "\($0.rawValue)" }.joined(separator: ",")))"
        do {
            return try reader.read { database in
                let newest =
                    try Int64.fetchOne(database, sql: "SELECT MAX(sequence) FROM events") ?? 0
                let rows = try Row.fetchAll(
                    database,
                    sql:
                        "SELECT * FROM events WHERE sequence > ? \(filter) ORDER BY sequence LIMIT ?",
                    arguments: [sequence, limit])
                var events = try rows.map { try EventReport(StoredRow($0)) }
                let end =
                    rows.count < limit ? max(newest, sequence) : events.last?.sequence ?? sequence
                if let gap = try Self.gap(database, after: sequence) { events.insert(gap, at: 0) }
                return EventPage(events: events, end: end)
            }
        } catch { throw StoreError("read", "events", error) }
    }

    /// The number of the newest event; 0 where there is none. Blocks.
    public func lastEvent() throws(StoreError) -> Int64 {
        do {
            return try reader.read { database in
                try Int64.fetchOne(database, sql: "SELECT MAX(sequence) FROM events") ?? 0
            }
        } catch { throw StoreError("read", "events", error) }
    }

    /// Its number is the one that was asked for: whoever resumes from there is told again.
    private static func gap(_ database: Database, after sequence: Int64) throws -> EventReport? {
        let text = try String.fetchOne(
            database, sql: "SELECT value FROM facts WHERE name = 'events complete after'")
        guard let horizon = text.flatMap({ Int64($0) }), horizon > sequence else { return nil }
        var gap = EventReport(sequence: sequence, .compacted)
        gap.reason = "events of tasks up to \(horizon) are no longer kept"
        let time = try Int64.fetchOne(
            database, sql: "SELECT time FROM events WHERE sequence > ? LIMIT 1",
            arguments: [horizon])
        gap.time = Timestamp(milliseconds: time ?? 0).description
        return gap
    }
}

extension EventReport {
    init(_ row: StoredRow) throws {
        self.init(
            sequence: try row["sequence"],
            time: try (row.time("time") ?? Timestamp(milliseconds: 0)).description,
            try EventCode.kind(row["kind"]), job: try (row["job"] as Int64?).map { JobID($0) })
        task = try row["task"]
        last = try row["last"]
        attempt = try row["attempt"]
        state = try row["state"]
        node = try row["node"]
        exitCode = try row["code"]
        signal = try row["signal"]
        started = try row.time("started")?.description
        reason = try row["reason"]
        counts = try (row["counts"] as String?).map { CountList.counts($0, of: 0) }
    }
}

/// Kinds as numbers: never renumbered, they are in people's databases.
enum EventCode {
    /// Those of tasks are below it.
    static let firstOther = 10

    static func code(_ kind: EventReport.Kind) -> Int {
        switch kind {
        case .taskSent: 0
        case .taskEnded: 1
        case .taskQueued: 2
        case .jobSubmitted: 10
        case .jobStarted: 11
        case .jobEnded: 12
        case .jobResumed: 13
        case .nodeAdded: 20
        case .nodeRemoved: 21
        case .nodeConnected: 22
        case .nodeDisconnected: 23
        case .nodeDrained: 24
        case .nodeUndrained: 25
        case .nodeQuarantined: 26
        case .compacted: 99
        }
    }

    static func kind(_ code: Int) throws(StoreError) -> EventReport.Kind {
        guard let kind = EventReport.Kind.allCases.first(where: { self.code($0) == code }) else {
            throw StoreError(.corrupt, "read", "events", "there is no kind \(code)")
        }
        return kind
    }
}

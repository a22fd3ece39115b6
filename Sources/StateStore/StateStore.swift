internal import FoundationEssentials
internal import GRDB
internal import JobModel
internal import LinuxSystem

/// What the server must not forget, in SQLite: jobs, the tasks that were touched, and nodes.
///
/// Owns the schema with its migrations, the one connection that writes (on a thread of its own, many writes in one commit), and
/// what is read back. Alone imports GRDB. Knows no scheduling: a row is what it is told. Must not import anything above JobModel.
/// Start here, then `Schema.swift`, then `Statements.swift` and `StateStore+Read.swift`.
///
/// Safe to call from any thread; completions come on the store's own thread, in the order of the writes.
public final class StateStore: Sendable {
    let writer: DatabaseQueue
    let reader: DatabaseQueue
    private let queue: CommitQueue
    /// Greater than that of every earlier opening of this database, and the time of this one in milliseconds since 1970 where the
    /// clock was not set back meanwhile.
    public let epoch: Int64
    /// What was found at the opening that somebody should know of.
    public let notes: [String]

    /// What the store tells of itself, on its own thread.
    public enum Condition: Sendable {
        /// Nothing can be written: what was given is kept, in order, and tried again until it can.
        case held(StoreError)
        case released
    }

    /// Opens or makes the database at `path`, brings its schema up to date and starts the writing thread. Damage that shows at
    /// once, and a database of a later version, are refused; nothing of them is changed.
    ///
    /// - Parameter firstJob: the least number of a job to come: above those of jobs that left traces elsewhere.
    /// - Parameter onCondition: see `Condition`.
    public convenience init(
        path: String, firstJob: Int64 = 1, events: EventLimits = .standard,
        onCondition: @escaping @Sendable (Condition) -> Void
    ) throws(StoreError) {
        try self.init(
            path: path, firstJob: firstJob, events: events, mode: JournalMode(forDatabaseAt: path),
            patience: 0.5, onCondition: onCondition)
    }

    init(
        path: String, firstJob: Int64 = 1, events: EventLimits = .standard, mode: JournalMode,
        patience: Double, now: Int64 = Clock.now(),
        onCondition: @escaping @Sendable (Condition) -> Void
    ) throws(StoreError) {
        try DatabaseFile.check(path, isNew: firstJob == 1)
        notes = try DatabaseFile.keepDamagedJournal(of: path)
        do {
            let writer = try DatabaseQueue(path: path, configuration: mode.writing)
            try Schema.migrate(writer)
            try Self.checkJobs(writer)
            epoch = try writer.writeWithoutTransaction { database in
                try mode.prepare(database)
                try Self.number(jobsFrom: firstJob, database)
                return try Self.nextEpoch(now, database)
            }
            self.writer = writer
            reader = try DatabaseQueue(path: path, configuration: mode.reading)
            queue = CommitQueue(writer, events, patience: patience, onCondition)
        } catch {
            throw StoreError("open", path, error)
        }
        try queue.start()
    }

    /// Jobs are never deleted, so that their numbers tell whether some have gone.
    private static func checkJobs(_ writer: DatabaseQueue) throws {
        try writer.read { database in
            let (from, given) = (try firstJob(database), try lastJob(database))
            let row = try Row.fetchOne(
                database,
                sql: "SELECT COUNT(*) AS count, MIN(id) AS first, MAX(id) AS last FROM jobs"
            ).map(StoredRow.init)
            let count = try row?.count("count") ?? 0
            let (first, last) = (
                try row?["first"] as Int64? ?? from, try row?["last"] as Int64? ?? from - 1
            )
            guard first == from, last == given ?? from - 1, Int64(count) == last - first + 1 else {
                throw StoreError(
                    .corrupt, "open", writer.path,
                    "jobs \(from) to \(given ?? last) were in it, and \(count) of them can be found"
                )
            }
        }
    }

    private static func nextEpoch(_ now: Int64, _ database: Database) throws -> Int64 {
        let last = try Int64.fetchOne(
            database, sql: "SELECT value FROM facts WHERE name = 'epoch'")
        let epoch = max(now, (last ?? 0) + 1)
        try database.execute(
            sql: "INSERT OR REPLACE INTO facts VALUES ('epoch', ?)", arguments: ["\(epoch)"])
        return epoch
    }

    private static func firstJob(_ database: Database) throws -> Int64 {
        try Int64.fetchOne(database, sql: "SELECT value FROM facts WHERE name = 'first job'") ?? 1
    }

    private static func lastJob(_ database: Database) throws -> Int64? {
        try Int64.fetchOne(database, sql: "SELECT seq FROM sqlite_sequence WHERE name = 'jobs'")
    }

    private static func number(jobsFrom first: Int64, _ database: Database) throws {
        guard first > 1, try lastJob(database) == nil else { return }
        try database.inTransaction {
            try database.execute(
                sql: "INSERT INTO sqlite_sequence VALUES ('jobs', ?)", arguments: [first - 1])
            try database.execute(
                sql: "INSERT INTO facts VALUES ('first job', ?)", arguments: ["\(first)"])
            return .commit
        }
    }

    /// Queues writes that belong together: all of them or none of them are on disk when `completion` is called. They never fail;
    /// while the disk is full they wait.
    public func write(_ writes: [StoreWrite], completion: @escaping @Sendable () -> Void) {
        queue.append(.rows(writes, completion))
    }

    /// Adds a job, or finds the one that was submitted with the same key. Fails at once where it cannot be written.
    public func insert(
        _ job: JobDraft,
        completion: @escaping @Sendable (Result<InsertedJob, StoreError>) -> Void
    ) {
        queue.append(.job(job, completion))
    }

    /// Returns after everything that was queued is on disk or, while nothing can be written, at once.
    /// Blocks: not for the cooperative pool.
    public func close() { queue.close() }

    /// Names this database, for those who talk to several heads.
    public func identity() throws(StoreError) -> String {
        do {
            return try reader.read { database in
                try String.fetchOne(database, sql: "SELECT value FROM facts WHERE name = 'head'")
                    ?? ""
            }
        } catch { throw StoreError("read", "identity", error) }
    }
}

internal import FoundationEssentials
internal import GRDB
internal import JobModel

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

    /// What the store tells of itself, on its own thread.
    public enum Condition: Sendable {
        /// Nothing can be written: what was given is kept, in order, and tried again until it can.
        case held(StoreError)
        case released
    }

    /// Opens or makes the database at `path`, brings its schema up to date and starts the writing thread.
    ///
    /// - Parameter onCondition: see `Condition`.
    public init(
        path: String, events: EventLimits = .standard,
        onCondition: @escaping @Sendable (Condition) -> Void
    ) throws(StoreError) {
        do {
            let mode = JournalMode(forDatabaseAt: path)
            let writer = try DatabaseQueue(path: path, configuration: mode.writing)
            try Schema.migrator.migrate(writer)
            try writer.writeWithoutTransaction { database in try mode.prepare(database) }
            self.writer = writer
            reader = try DatabaseQueue(path: path, configuration: mode.reading)
            queue = CommitQueue(writer, events, onCondition)
        } catch {
            throw StoreError("open", path, error)
        }
        try queue.start()
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

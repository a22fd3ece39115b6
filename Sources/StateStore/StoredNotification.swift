internal import GRDB
public import JobModel

/// Somebody who is to be told of a job by one way, until it has succeeded.
public struct StoredNotification: Sendable, Hashable {
    public struct Key: Sendable, Hashable {
        public var job: JobID
        /// `finished`, `failed`, `first_failure`, `failures`.
        public var event: String
        /// Of an end its time in milliseconds: a job that goes on ends again. Else when the run of the job began that goes on, 0 for
        /// its first.
        public var round: Int64
        /// `run`, `webhook`, `mail`.
        public var channel: String
        public init(job: JobID, event: String, round: Int64, channel: String) {
            self.job = job
            self.event = event
            self.round = round
            self.channel = channel
        }
    }
    public var key: Key
    /// Of the job when it happened.
    public var state: String
    public var tries: Int
    /// Nil where nobody has to be told any more.
    public var due: Timestamp?
    public init(_ key: Key, state: String, due: Timestamp) {
        self.key = key
        self.state = state
        self.due = due
        tries = 0
    }

    func insert(_ database: Database) throws {
        try database.execute(
            sql: "INSERT OR IGNORE INTO notifications VALUES (?, ?, ?, ?, ?, ?, ?)",
            arguments: [
                key.job.rawValue, key.event, key.round, key.channel, state, tries,
                due?.milliseconds,
            ])
    }

    func update(_ database: Database) throws {
        try database.execute(
            sql: """
                UPDATE notifications SET tries = ?, due = ? WHERE job = ? AND event = ? AND round = ? AND channel = ?
                """,
            arguments: [
                tries, due?.milliseconds, key.job.rawValue, key.event, key.round, key.channel,
            ])
    }
}

extension StateStore {
    /// All of jobs that have not ended, and whatever else is due. Blocks.
    public func notifications() throws(StoreError) -> [StoredNotification] {
        do {
            return try reader.read { database in
                try Row.fetchAll(
                    database,
                    sql: """
                        SELECT * FROM notifications WHERE due IS NOT NULL
                            OR job IN (SELECT id FROM jobs WHERE ended IS NULL)
                        """
                ).map { row in
                    let row = StoredRow(row)
                    var notification = StoredNotification(
                        .init(
                            job: JobID(try row["job"]), event: try row["event"],
                            round: try row["round"], channel: try row["channel"]),
                        state: try row["state"], due: Timestamp(milliseconds: 0))
                    notification.tries = try row.count("tries")
                    notification.due = try row.time("due")
                    return notification
                }
            }
        } catch { throw StoreError("read", "notifications", error) }
    }
}

internal import GRDB
public import JobModel

/// What some hours brought of one job.
public struct JobTally: Sendable {
    public struct Use: Sendable {
        public var tasks = 0
        /// Milliseconds times CPUs, and times GPUs.
        public var cpuTime = 0.0
        public var gpuTime = 0.0
    }
    /// Tasks that ended then.
    public var ended = TaskCounts()
    public var milliseconds: Int64 = 0
    /// Of tasks that failed or were lost then: how many, and the first.
    public var failures: [String: (tasks: Int, first: Int)] = [:]
    public var use: [String: Use] = [:]
    public var retried = 0
    public var retriedMilliseconds: Int64 = 0
}

extension StateStore {
    /// Adds up what the rows of a job's tasks say of a time. Blocks.
    public func tally(of job: JobID, _ window: Range<Timestamp>) throws(StoreError) -> JobTally {
        do {
            return try reader.read { database in
                var tally = JobTally()
                let cursor = try Row.fetchCursor(
                    database,
                    sql: "SELECT * FROM tasks WHERE job = ? AND (ended >= ? OR state = ?)",
                    arguments: [
                        job.rawValue, window.lowerBound.milliseconds, StateCode.code(.running),
                    ])
                while let row = try cursor.next() {
                    tally.add(try Self.task(StoredRow(row)), window)
                }
                try Self.addRetries(of: job, window, to: &tally, database)
                return tally
            }
        } catch { throw StoreError("read", "tasks of job \(job)", error) }
    }

    /// Earlier attempts are in the log alone.
    private static func addRetries(
        of job: JobID, _ window: Range<Timestamp>, to tally: inout JobTally, _ database: Database
    ) throws {
        let row = try Row.fetchOne(
            database,
            sql: """
                SELECT COUNT(*) AS count, SUM(MAX(0, time - MAX(started, ?1))) AS spent FROM events
                WHERE kind = ?2 AND job = ?3 AND state = 'queued' AND started IS NOT NULL AND time >= ?1
                """,
            arguments: [
                window.lowerBound.milliseconds, EventCode.code(.taskEnded), job.rawValue,
            ])
        guard let row = row.map(StoredRow.init) else { return }
        tally.retried = try row["count"]
        tally.retriedMilliseconds = try row.amount("spent") ?? 0
    }

    /// Events of some kinds since a time, the newest last and not more than `limit`. Blocks.
    public func events(of kinds: [EventReport.Kind], since time: Timestamp, limit: Int)
        throws(StoreError) -> [EventReport]
    {
        let codes = kinds.map { "\(EventCode.code($0))" }.joined(separator: ",")
        do {
            return try reader.read { database in
                try Row.fetchAll(
                    database,
                    sql: """
                        SELECT * FROM events WHERE kind IN (\(codes)) AND time >= ? ORDER BY sequence DESC LIMIT ?
                        """, arguments: [time.milliseconds, limit]
                ).reversed().map { try EventReport(StoredRow($0)) }
            }
        } catch { throw StoreError("read", "events", error) }
    }
}

extension JobTally {
    mutating func add(_ task: TaskRow, _ window: Range<Timestamp>) {
        if task.state.isFinal, task.ended != nil { ended[task.state] += 1 }
        if task.state == .failed || task.state == .lost {
            let reason = task.reason ?? task.state.rawValue
            let known = failures[reason]
            failures[reason] = (
                (known?.tasks ?? 0) + 1, min(known?.first ?? task.index, task.index)
            )
        }
        guard let started = task.started else { return }
        let end = min(task.ended ?? window.upperBound, window.upperBound)
        let spent = max(0, end.milliseconds - max(started, window.lowerBound).milliseconds)
        milliseconds += spent
        for place in task.gang?.placements ?? task.placement.map({ [$0] }) ?? [] {
            use[place.node, default: Use()].tasks += 1
            use[place.node]?.cpuTime += Double(spent) * Double(place.cpus.count)
            let gpus = place.gpuShare.map { Double($0) / 1000 } ?? Double(place.gpus.count)
            use[place.node]?.gpuTime += Double(spent) * gpus
        }
    }
}

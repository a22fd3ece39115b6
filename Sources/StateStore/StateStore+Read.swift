internal import FoundationEssentials
internal import GRDB
public import JobModel

// Reads see what is on disk. All of them block: not for the cooperative pool.

extension StateStore {
    /// Jobs and nodes, without the jobs' tasks.
    public func restore() throws(StoreError) -> StoredState {
        do {
            return try reader.read { database in
                let jobs = try Row.fetchAll(database, sql: "SELECT * FROM jobs ORDER BY id")
                let nodes = try Row.fetchAll(database, sql: "SELECT * FROM nodes ORDER BY name")
                return StoredState(
                    jobs: try jobs.map(Self.job),
                    nodes: nodes.map {
                        StoredState.Node(
                            name: $0["name"], agentEpoch: $0["agent_epoch"],
                            launcherEpoch: $0["launcher_epoch"], bootID: $0["boot_id"])
                    })
            }
        } catch { throw StoreError("read", "jobs", error) }
    }

    /// What is kept of a job's tasks, ascending by index; nil ranges mean all of them.
    public func tasks(of job: JobID, in ranges: [Range<Int>]? = nil) throws(StoreError)
        -> StoredTasks
    {
        do {
            return try reader.read { database in
                let marks = try Row.fetchAll(
                    database,
                    sql: "SELECT first, end, state FROM ranges WHERE job = ? ORDER BY id",
                    arguments: [job.rawValue])
                var rows: [TaskRow] = []
                for range in ranges ?? [0..<Int.max] {
                    let cursor = try Row.fetchCursor(
                        database,
                        sql: """
                            SELECT * FROM tasks WHERE job = ? AND number >= ? AND number < ? ORDER BY number
                            """, arguments: [job.rawValue, range.lowerBound, range.upperBound])
                    while let row = try cursor.next() { rows.append(try Self.task(row)) }
                }
                return StoredTasks(
                    ranges: try marks.map { mark in
                        let (first, end): (Int, Int) = (mark["first"], mark["end"])
                        return (first..<max(first, end), try StateCode.state(mark["state"]))
                    }, rows: rows)
            }
        } catch { throw StoreError("read", "tasks of job \(job)", error) }
    }

    private static func job(_ row: Row) throws -> StoredJob {
        let spec: Data = row["spec"]
        let taskCount: Int = row["task_count"]
        let progress = JobProgress(
            id: JobID(row["id"]), started: time(row["started"]), ended: time(row["ended"]),
            digest: row["digest"], failure: row["failure"], lastFailure: row["last_failure"],
            counts: CountList.counts(row["counts"], of: taskCount))
        return StoredJob(
            progress: progress, spec: try JSONDecoder().decode(JobSpec.self, from: spec),
            taskCount: taskCount, dependencies: Array(row["dependencies"] as Data? ?? Data()),
            submitted: Timestamp(milliseconds: row["submitted"]))
    }

    private static func time(_ milliseconds: Int64?) -> Timestamp? {
        milliseconds.map { Timestamp(milliseconds: $0) }
    }

    private static func task(_ row: Row) throws -> TaskRow {
        let node: String? = row["node"]
        let gpus: String? = row["gpus"]
        let enforcement = (row["enforcement"] as String?)?.split(
            separator: ",", omittingEmptySubsequences: false
        ).map(String.init)
        return TaskRow(
            index: row["number"], attempt: row["attempt"],
            state: try StateCode.state(row["state"]), failures: row["failures"],
            memory: row["memory"], isCancelling: row["cancelling"],
            placement: node.map {
                Placement(
                    node: $0, cpus: NumberList.numbers(row["cpus"]),
                    numaNodes: NumberList.numbers(row["numa"]),
                    gpus: gpus?.split(separator: ",").map(String.init) ?? [])
            },
            started: time(row["started"]), ended: time(row["ended"]), code: row["code"],
            signal: row["signal"], userMicroseconds: row["user_time"],
            systemMicroseconds: row["system_time"], peakMemory: row["peak_memory"],
            enforcement: enforcement.flatMap {
                $0.count == 3 ? Enforcement(cpu: $0[0], memory: $0[1], pids: $0[2]) : nil
            }, metrics: try Metrics.values(row["metrics"]), reason: row["reason"])
    }
}

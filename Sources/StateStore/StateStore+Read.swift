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
                let machines = try Data.fetchAll(
                    database, sql: "SELECT spec FROM machines ORDER BY name")
                let drained = try Row.fetchAll(database, sql: "SELECT * FROM drained")
                var closedGPUs: [String: [String: String]] = [:]
                for row in try Row.fetchAll(database, sql: "SELECT * FROM closed_gpus") {
                    closedGPUs[row["node"], default: [:]][row["gpu"]] = row["reason"]
                }
                return StoredState(
                    jobs: try jobs.map(Self.job),
                    nodes: nodes.map {
                        StoredState.Node(
                            name: $0["name"], agentEpoch: $0["agent_epoch"],
                            launcherEpoch: $0["launcher_epoch"], bootID: $0["boot_id"])
                    },
                    machines: try machines.map {
                        try JSONDecoder().decode(NodeSpec.self, from: $0)
                    },
                    drained: Self.reasons(drained, isQuarantine: false),
                    quarantined: Self.reasons(drained, isQuarantine: true),
                    closedGPUs: closedGPUs)
            }
        } catch { throw StoreError("read", "jobs", error) }
    }

    /// One job, without its tasks; nil where there is none of this number.
    public func job(_ id: JobID) throws(StoreError) -> StoredJob? {
        do {
            return try reader.read { database in
                try Row.fetchOne(
                    database, sql: "SELECT * FROM jobs WHERE id = ?", arguments: [id.rawValue]
                ).map(Self.job)
            }
        } catch { throw StoreError("read", "job \(id)", error) }
    }

    /// What is kept of a job's tasks, ascending by index; nil ranges mean all of them, others have to ascend.
    public func tasks(of job: JobID, in ranges: [Range<Int>]? = nil) throws(StoreError)
        -> StoredTasks
    {
        do {
            return try reader.read { database in
                let statement = try database.cachedStatement(
                    sql: """
                        SELECT * FROM tasks WHERE job = ? AND number >= ? AND number < ? ORDER BY number
                        """)
                var rows: [TaskRow] = []
                for range in ranges ?? [0..<Int.max] {
                    let cursor = try Row.fetchCursor(
                        statement,
                        arguments: [job.rawValue, range.lowerBound, range.upperBound])
                    while let row = try cursor.next() { rows.append(try Self.task(row)) }
                }
                return StoredTasks(ranges: try Self.marks(database, job), rows: rows)
            }
        } catch { throw StoreError("read", "tasks of job \(job)", error) }
    }

    /// The state of each task in the range, and nothing else of it.
    public func states(of job: JobID, in range: Range<Int>) throws(StoreError) -> [TaskState] {
        do {
            return try reader.read { database in
                var states = [TaskState](repeating: .queued, count: range.count)
                for (marked, state) in try Self.marks(database, job) {
                    for index in marked.clamped(to: range) {
                        states[index - range.lowerBound] = state
                    }
                }
                let cursor = try Row.fetchCursor(
                    database,
                    sql:
                        "SELECT number, state FROM tasks WHERE job = ? AND number >= ? AND number < ?",
                    arguments: [job.rawValue, range.lowerBound, range.upperBound])
                while let row = try cursor.next() {
                    let index: Int = row["number"]
                    states[index - range.lowerBound] = try StateCode.state(row["state"])
                }
                return states
            }
        } catch { throw StoreError("read", "states of job \(job)", error) }
    }

    /// Failed tasks whose last attempt passed its time limit, ascending.
    public func timedOut(of job: JobID) throws(StoreError) -> [Int] {
        do {
            return try reader.read { database in
                try Int.fetchAll(
                    database,
                    sql: """
                        SELECT number FROM tasks WHERE job = ? AND timed_out AND state = ? ORDER BY number
                        """, arguments: [job.rawValue, StateCode.code(.failed)])
            }
        } catch { throw StoreError("read", "tasks of job \(job)", error) }
    }

    /// Where tasks of the job stood at the rungs of its search, by rung.
    public func rungs(of job: JobID) throws(StoreError) -> [RungRecord] {
        do {
            return try reader.read { database in
                try Row.fetchAll(
                    database, sql: "SELECT * FROM rungs WHERE job = ? ORDER BY rung, number",
                    arguments: [job.rawValue]
                ).map { row in
                    RungRecord(
                        attempt: AttemptID(
                            task: TaskID(job: job, index: row["number"]), number: row["attempt"]),
                        rung: row["rung"], step: row["step"], value: row["value"],
                        mean: row["mean"], best: row["best"])
                }
            }
        } catch { throw StoreError("read", "rungs of job \(job)", error) }
    }

    /// What a job's sampler gave, in order.
    public func points(of job: JobID) throws(StoreError) -> [Point] {
        do {
            return try reader.read { database in
                try String.fetchAll(
                    database, sql: "SELECT point FROM points WHERE job = ? ORDER BY number",
                    arguments: [job.rawValue]
                ).map { try JSONDecoder().decode(Point.self, from: Data($0.utf8)) }
            }
        } catch { throw StoreError("read", "points of job \(job)", error) }
    }

    /// Names of all metrics that tasks of the job wrote, in no order.
    public func metricNames(of job: JobID) throws(StoreError) -> [String] {
        do {
            return try reader.read { database in
                try String.fetchAll(
                    database,
                    sql: """
                        SELECT DISTINCT entry.key FROM tasks, json_each(tasks.metrics) AS entry WHERE job = ?
                        """, arguments: [job.rawValue])
            }
        } catch { throw StoreError("read", "metrics of job \(job)", error) }
    }

    /// Touched tasks, best first; those without a metric after those with it.
    public func best(of job: JobID, by goals: [MetricGoal], limit: Int) throws(StoreError)
        -> [Int]
    {
        let order = goals.map {
            "json_extract(metrics, ?) \($0.direction == .min ? "ASC" : "DESC") NULLS LAST"
        }
        let paths = goals.map { "$.\"\($0.name)\"" }
        do {
            return try reader.read { database in
                try Int.fetchAll(
                    database,
                    sql: """
                        SELECT number FROM tasks WHERE job = ? ORDER BY \((order + ["number"]).joined(separator: ", ")) LIMIT ?
                        """,
                    arguments: [job.rawValue] + StatementArguments(paths)
                        + StatementArguments([limit]))
            }
        } catch { throw StoreError("read", "best of job \(job)", error) }
    }

    private static func marks(_ database: Database, _ job: JobID) throws -> [(
        Range<Int>, TaskState
    )] {
        try Row.fetchAll(
            database, sql: "SELECT first, end, state FROM ranges WHERE job = ? ORDER BY id",
            arguments: [job.rawValue]
        ).map { mark in
            let (first, end): (Int, Int) = (mark["first"], mark["end"])
            return (first..<max(first, end), try StateCode.state(mark["state"]))
        }
    }

    private static func job(_ row: Row) throws -> StoredJob {
        let spec: Data = row["spec"]
        let taskCount: Int = row["task_count"]
        var progress = JobProgress(
            id: JobID(row["id"]), started: time(row["started"]), ended: time(row["ended"]),
            digest: row["digest"], failure: row["failure"], lastFailure: row["last_failure"],
            counts: CountList.counts(row["counts"], of: taskCount))
        progress.decisions = try DecisionText.decisions(row["decisions"])
        return StoredJob(
            progress: progress, spec: try JSONDecoder().decode(JobSpec.self, from: spec),
            taskCount: taskCount, dependencies: Array(row["dependencies"] as Data? ?? Data()),
            submitted: Timestamp(milliseconds: row["submitted"]))
    }

    /// By the node's name.
    private static func reasons(_ rows: [Row], isQuarantine: Bool) -> [String: String] {
        Dictionary(
            rows.filter { $0["quarantine"] == isQuarantine }.map { ($0["name"], $0["reason"]) },
            uniquingKeysWith: { $1 })
    }

    private static func time(_ milliseconds: Int64?) -> Timestamp? {
        milliseconds.map { Timestamp(milliseconds: $0) }
    }

    static func task(_ row: Row) throws -> TaskRow {
        let node: String? = row["node"]
        let cancelling: Int = row["cancelling"]
        let gpus: String? = row["gpus"]
        let enforcement = (row["enforcement"] as String?)?.split(
            separator: ",", omittingEmptySubsequences: false
        ).map(String.init)
        return TaskRow(
            index: row["number"], attempt: row["attempt"],
            state: try StateCode.state(row["state"]), failures: row["failures"],
            memory: row["memory"], isCancelling: cancelling == 1,
            isOverdue: cancelling == 2, timedOut: row["timed_out"], isStopping: cancelling == 3,
            time: row["time_limit"],
            losses: row["losses"],
            placement: node.map {
                Placement(
                    node: $0, cpus: NumberList.numbers(row["cpus"]),
                    numaNodes: NumberList.numbers(row["numa"]),
                    gpus: gpus?.split(separator: ",").map(String.init) ?? [],
                    gpuShare: row["gpu_share"])
            },
            gang: try GangText.gang(row["gang"]),
            started: time(row["started"]), ended: time(row["ended"]), code: row["code"],
            signal: row["signal"], userMicroseconds: row["user_time"],
            systemMicroseconds: row["system_time"], peakMemory: row["peak_memory"],
            enforcement: enforcement.flatMap(Enforcement.init(words:)),
            metrics: try Metrics.values(row["metrics"]), reason: row["reason"])
    }
}

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
                    let row = StoredRow(row)
                    closedGPUs[try row["node"], default: [:]][try row["gpu"]] = try row["reason"]
                }
                return StoredState(
                    jobs: try jobs.map { try Self.job(StoredRow($0)) },
                    nodes: try nodes.map(StoredRow.init).map {
                        StoredState.Node(
                            name: try $0["name"], agentEpoch: try $0["agent_epoch"],
                            launcherEpoch: try $0["launcher_epoch"], bootID: try $0["boot_id"])
                    },
                    machines: try machines.map {
                        try JSONDecoder().decode(NodeSpec.self, from: $0)
                    },
                    drained: try Self.reasons(drained, isQuarantine: false),
                    quarantined: try Self.reasons(drained, isQuarantine: true),
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
                ).map { try Self.job(StoredRow($0)) }
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
                    while let row = try cursor.next() { rows.append(try Self.task(StoredRow(row))) }
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
                    let row = StoredRow(row)
                    let index = try row.count("number")
                    guard range.contains(index) else { continue }
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
                    let row = StoredRow(row)
                    return RungRecord(
                        attempt: AttemptID(
                            task: TaskID(job: job, index: try row.count("number")),
                            number: try row.count("attempt")),
                        rung: try row.count("rung"), step: try row["step"], value: try row["value"],
                        mean: try row["mean"], best: try row["best"])
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

    /// The best of those that succeeded or were stopped, by one metric; nil where none has it. It looks at every task.
    public func best(of job: JobID, by goal: MetricGoal) throws(StoreError) -> (
        index: Int, value: Double
    )? {
        do {
            return try reader.read { database in
                let order = goal.direction == .min ? "ASC" : "DESC"
                let row = try Row.fetchOne(
                    database,
                    sql: """
                        SELECT number, json_extract(metrics, ?) AS value FROM tasks
                        WHERE job = ? AND state IN (?, ?) AND value IS NOT NULL ORDER BY value \(order), number LIMIT 1
                        """,
                    arguments: [
                        "$.\"\(goal.name)\"", job.rawValue, StateCode.code(.succeeded),
                        StateCode.code(.stopped),
                    ])
                return row.map { ($0["number"], $0["value"]) }
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
            let mark = StoredRow(mark)
            let (first, end) = (try mark.count("first"), try mark.count("end"))
            return (first..<max(first, end), try StateCode.state(mark["state"]))
        }
    }

    private static func job(_ row: StoredRow) throws -> StoredJob {
        let id = JobID(try row["id"])
        do { return try job(id, row) } catch {
            throw StoreError("read", "job \(id)", error)
        }
    }

    private static func job(_ id: JobID, _ row: StoredRow) throws -> StoredJob {
        let spec: Data = try row["spec"]
        let taskCount = try row.count("task_count")
        var progress = JobProgress(
            id: id, started: try row.time("started"), ended: try row.time("ended"),
            digest: try row["digest"], failure: try row["failure"],
            lastFailure: try row["last_failure"],
            counts: CountList.counts(try row["counts"], of: taskCount))
        progress.decisions = try DecisionText.decisions(row["decisions"])
        return StoredJob(
            progress: progress, spec: try JSONDecoder().decode(JobSpec.self, from: spec),
            taskCount: taskCount, dependencies: Array(try row["dependencies"] as Data? ?? Data()),
            submitted: try row.time("submitted") ?? Timestamp(milliseconds: 0),
            best: try BestText.best(row["best"]))
    }

    /// By the node's name.
    private static func reasons(_ rows: [Row], isQuarantine: Bool) throws -> [String: String] {
        var reasons: [String: String] = [:]
        for row in rows.map(StoredRow.init) where try row["quarantine"] == isQuarantine {
            reasons[try row["name"]] = try row["reason"]
        }
        return reasons
    }

    static func task(_ row: StoredRow) throws -> TaskRow {
        let node: String? = try row["node"]
        let cancelling: Int = try row["cancelling"]
        let gpus: String? = try row["gpus"]
        let enforcement = try (row["enforcement"] as String?)?.split(
            separator: ",", omittingEmptySubsequences: false
        ).map(String.init)
        return TaskRow(
            index: try row.count("number"), attempt: try row.count("attempt"),
            state: try StateCode.state(row["state"]), failures: try row.count("failures"),
            memory: try row.amount("memory"), isCancelling: cancelling == 1,
            isOverdue: cancelling == 2, timedOut: try row["timed_out"], isStopping: cancelling == 3,
            time: try row.amount("time_limit"),
            losses: try row.count("losses"),
            placement: try node.map {
                Placement(
                    node: $0, cpus: NumberList.numbers(try row["cpus"]),
                    numaNodes: NumberList.numbers(try row["numa"]),
                    gpus: gpus?.split(separator: ",").map(String.init) ?? [],
                    gpuShare: try row["gpu_share"])
            },
            gang: try GangText.gang(row["gang"]),
            started: try row.time("started"), ended: try row.time("ended"), code: try row["code"],
            signal: try row["signal"], userMicroseconds: try row.amount("user_time"),
            systemMicroseconds: try row.amount("system_time"),
            peakMemory: try row.amount("peak_memory"),
            enforcement: enforcement.flatMap(Enforcement.init(words:)),
            metrics: try Metrics.values(row["metrics"]), reason: try row["reason"])
    }
}

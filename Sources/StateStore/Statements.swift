internal import FoundationEssentials
internal import GRDB
internal import JobModel

/// The statements of one transaction; GRDB keeps them compiled from one to the next.
struct Statements {
    private let database: Database
    private let dispatched: Statement
    private let ended: Statement
    private let marked: Statement
    private let event: Statement

    init(_ database: Database) throws {
        self.database = database
        dispatched = try database.cachedStatement(
            sql: """
                INSERT INTO tasks (job, number, attempt, state, memory, node, cpus, numa, gpus, gpu_share, gang)
                VALUES (?1, ?2, ?3, 1, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
                ON CONFLICT (job, number) DO UPDATE SET attempt = ?3, state = 1, memory = ?4, cancelling = 0,
                    node = ?5, cpus = ?6, numa = ?7, gpus = ?8, gpu_share = ?9, gang = ?10, started = NULL, ended = NULL,
                    code = NULL, signal = NULL, user_time = NULL, system_time = NULL, peak_memory = NULL, enforcement = NULL,
                    metrics = NULL, reason = NULL,
                    timed_out = 0
                """)
        ended = try database.cachedStatement(
            sql: """
                UPDATE tasks SET attempt = ?3, state = ?4, failures = ?5, memory = ?6, time_limit = NULL, losses = 0,
                    cancelling = 0, started = ?7, ended = ?8,
                    code = ?9, signal = ?10, user_time = ?11, system_time = ?12, peak_memory = ?13, enforcement = ?14,
                    metrics = ?15, reason = ?16, timed_out = ?17
                WHERE job = ?1 AND number = ?2
                """)
        marked = try database.cachedStatement(
            sql: """
                INSERT INTO tasks (job, number, attempt, state, failures, memory, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                ON CONFLICT (job, number) DO UPDATE SET attempt = ?3, state = ?4, failures = ?5, memory = ?6, reason = ?7,
                    time_limit = NULL, losses = 0, cancelling = 0
                """)
        event = try database.cachedStatement(
            sql: """
                INSERT INTO events (time, kind, job, task, last, attempt, state, node, code, signal, started, reason, counts)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """)
    }

    func execute(_ write: StoreWrite, _ log: inout EventLog) throws {
        switch write {
        case .event(let draft): try log.insert(draft, event)
        case .notification(let notification): try notification.insert(database)
        case .notified(let notification): try notification.update(database)
        case .job(let progress): try update(progress)
        case .spec(let id, let spec, let taskCount):
            try database.execute(
                sql: "UPDATE jobs SET spec = ?, task_count = ? WHERE id = ?",
                arguments: [try JSONEncoder().encode(spec), taskCount, id.rawValue])
        case .best(let id, let best):
            try database.execute(
                sql: "UPDATE jobs SET best = ? WHERE id = ?",
                arguments: [try BestText.text(best), id.rawValue])
        case .node(let name, let agentEpoch, let launcherEpoch, let bootID):
            try database.execute(
                sql: "INSERT OR REPLACE INTO nodes VALUES (?, ?, ?, ?)",
                arguments: [name, agentEpoch, launcherEpoch, bootID])
        case .machine(let spec):
            try database.execute(
                sql: "INSERT OR REPLACE INTO machines VALUES (?, ?)",
                arguments: [spec.name, try JSONEncoder().encode(spec)])
        case .gpuClosed(let node, let gpu, let reason):
            try database.execute(
                sql: "INSERT OR REPLACE INTO closed_gpus VALUES (?, ?, ?)",
                arguments: [node, gpu, reason])
        case .nodeRemoved(let name):
            try database.execute(
                sql: "DELETE FROM closed_gpus WHERE node = ?", arguments: [name])
            for table in ["machines", "nodes", "drained"] {
                try database.execute(
                    sql: "DELETE FROM \(table) WHERE name = ?", arguments: [name])
            }
        case .drained(let name, let reason, let isQuarantine):
            try database.execute(
                sql: "INSERT OR REPLACE INTO drained VALUES (?, ?, ?)",
                arguments: [name, isQuarantine, reason])
        case .undrained(let name):
            try database.execute(
                sql: "DELETE FROM closed_gpus WHERE node = ?", arguments: [name])
            try database.execute(
                sql: "DELETE FROM drained WHERE name = ?", arguments: [name])
        case .dispatched(let attempt, let placement, let memory, let gang):
            try dispatched.execute(
                arguments: [
                    attempt.task.job.rawValue, attempt.task.index, attempt.number, memory,
                    placement.node, NumberList.text(placement.cpus),
                    NumberList.text(placement.numaNodes),
                    placement.gpus.isEmpty ? nil : placement.gpus.joined(separator: ","),
                    placement.gpuShare, try gang.map(GangText.text),
                ])
        case .gang(let task, let gang):
            try database.execute(
                sql: "UPDATE tasks SET gang = ? WHERE job = ? AND number = ?",
                arguments: [try GangText.text(gang), task.job.rawValue, task.index])
        case .cancelling(let task):
            try database.execute(
                sql: "UPDATE tasks SET cancelling = 1 WHERE job = ? AND number = ?",
                arguments: [task.job.rawValue, task.index])
        case .overdue(let task):
            try database.execute(
                sql: "UPDATE tasks SET cancelling = 2 WHERE job = ? AND number = ?",
                arguments: [task.job.rawValue, task.index])
        case .point(let task, let point):
            try database.execute(
                sql: "INSERT OR REPLACE INTO points VALUES (?, ?, ?)",
                arguments: [
                    task.job.rawValue, task.index,
                    String(decoding: try JSONEncoder().encode(point), as: UTF8.self),
                ])
        case .reached(let record):
            try database.execute(
                sql: "INSERT OR IGNORE INTO rungs VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                arguments: [
                    record.attempt.task.job.rawValue, record.attempt.task.index, record.rung,
                    record.attempt.number, record.step, record.value, record.mean, record.best,
                ])
        case .stopping(let task, let reason):
            try database.execute(
                sql: "UPDATE tasks SET cancelling = 3, reason = ? WHERE job = ? AND number = ?",
                arguments: [reason, task.job.rawValue, task.index])
        case .extended(let task, let time, let losses):
            try database.execute(
                sql: "UPDATE tasks SET time_limit = ?, losses = ? WHERE job = ? AND number = ?",
                arguments: [time, losses, task.job.rawValue, task.index])
        case .ended(let record, let state, let failures, let memory, let reason):
            try end(record, state, failures, memory, reason)
        case .marked(let task, let state, let attempt, let failures, let memory, let reason):
            try marked.execute(
                arguments: [
                    task.job.rawValue, task.index, attempt, StateCode.code(state), failures,
                    memory, reason,
                ])
        case .range(let job, let range, let state):
            try database.execute(
                sql: "INSERT INTO ranges (job, first, end, state) VALUES (?, ?, ?, ?)",
                arguments: [
                    job.rawValue, range.lowerBound, range.upperBound, StateCode.code(state),
                ])
        }
    }

    private func end(
        _ record: ExitRecord, _ state: TaskState, _ failures: Int, _ memory: Int64?,
        _ reason: String?
    ) throws {
        var (code, signal): (Int32?, Int32?)
        switch record.status {
        case .code(let value): code = value
        case .signal(let value): signal = value
        case .startFailure, .lost, .neverStarted: break
        }
        try ended.execute(
            arguments: [
                record.attempt.task.job.rawValue, record.attempt.task.index,
                record.attempt.number, StateCode.code(state), failures, memory,
                record.started?.milliseconds, record.ended.milliseconds, code, signal,
                record.userMicroseconds, record.systemMicroseconds, record.peakMemory,
                record.enforcement?.words.joined(separator: ","),
                record.metrics.isEmpty ? nil : try Metrics.text(record.metrics), reason,
                record.timedOut,
            ])
    }

    private func update(_ progress: JobProgress) throws {
        try database.execute(
            sql: """
                UPDATE jobs SET started = ?, ended = ?, digest = ?, failure = ?, last_failure = ?, counts = ?,
                    decisions = ? WHERE id = ?
                """,
            arguments: [
                progress.started?.milliseconds, progress.ended?.milliseconds, progress.digest,
                progress.failure, progress.lastFailure, CountList.text(progress.counts),
                try DecisionText.text(progress.decisions),
                progress.id.rawValue,
            ])
    }

    /// With its first event, where it is new.
    func insert(_ draft: JobDraft, _ log: inout EventLog) throws -> InsertedJob {
        let job = try insert(draft)
        if job.isNew {
            var submitted = EventDraft(.jobSubmitted, at: draft.submitted, job: job.id)
            submitted.state = JobState.queued.rawValue
            submitted.counts = TaskCounts()
            submitted.counts?.queued = job.taskCount
            try log.insert(submitted, event)
        }
        return job
    }

    private func insert(_ draft: JobDraft) throws -> InsertedJob {
        if let key = draft.key,
            let row = try Row.fetchOne(
                database, sql: "SELECT id, name, task_count FROM jobs WHERE key = ?",
                arguments: [key])
        {
            return InsertedJob(
                id: JobID(row["id"]), name: row["name"], taskCount: row["task_count"],
                isNew: false)
        }
        try database.execute(
            sql: """
                INSERT INTO jobs (key, name, spec, task_count, dependencies, submitted) VALUES (?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                draft.key, draft.spec.name, try JSONEncoder().encode(draft.spec),
                draft.taskCount, Data(draft.dependencies), draft.submitted.milliseconds,
            ])
        return InsertedJob(
            id: JobID(database.lastInsertedRowID), name: draft.spec.name,
            taskCount: draft.taskCount, isNew: true)
    }
}

import GRDB
import JobModel

/// What is checked at any moment.
extension WholeWorld {
    /// Attempts of that task that have started.
    func runs(of task: TaskID) -> Int { runs[task, default: 0] }

    func note(start task: RunTask, on node: WholeNode) {
        let id = task.attempt
        note("\(id) starts on \(node.name)")
        if starts[id]?.contains(node.name) == true { violate("\(id) started twice") }
        if succeeded.contains(id.task) { violate("\(id) started, and its task had succeeded") }
        for other in nodes {
            for running in other.running.keys where running.task == id.task && running != id {
                violate("\(running) and \(id) run at once")
            }
        }
        if starts[id] == nil { runs[id.task, default: 0] += 1 }
        starts[id, default: []].insert(node.name)
        sizes[id] = task.gang?.nodes.count ?? 1
    }

    func note(end record: ExitRecord, on node: WholeNode) {
        note("\(record.attempt) ends on \(node.name): \(record.status)")
        guard record.status == .code(0) else { return }
        wells[record.attempt, default: []].insert(node.name)
        if wells[record.attempt]?.count == sizes[record.attempt] {
            succeeded.insert(record.attempt.task)
        }
    }

    /// Nobody is sent what could be forgotten.
    func checkOnDisk(_ tasks: [RunTask]) {
        for task in tasks {
            let id = task.attempt
            let saved = rows(
                "SELECT attempt FROM tasks WHERE job = \(id.task.job) AND number = \(id.task.index)"
            ) { $0["attempt"] as Int }
            if saved.first ?? 0 < id.number { violate("\(id) was sent before it was on disk") }
            let points = rows(
                """
                SELECT (SELECT COUNT(*) FROM points WHERE job = jobs.id) AS count FROM jobs
                    WHERE id = \(id.task.job) AND name LIKE 'sampled%'
                """
            ) { $0["count"] as Int }
            if points.first ?? .max <= id.task.index {
                violate("\(id) was sent before its point was on disk")
            }
        }
    }
}

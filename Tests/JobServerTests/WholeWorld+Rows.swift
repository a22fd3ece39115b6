import GRDB
import JobModel
import LinuxSystem

@testable import StateStore

extension WholeWorld {
    /// What the servers noted and what they logged of jobs and tasks, for whoever looks into a violation.
    var story: [String] {
        let events = rows("SELECT * FROM events ORDER BY sequence") { row -> String in
            let event = try EventReport(StoredRow(row))
            let task = event.job.map { "\($0)_\(event.task ?? -1).\(event.attempt ?? 0)" }
            let time = (row["time"] as Int64) - WholeThread.start
            return "\(time) \(event.kind) \(task ?? "") \(event.state ?? "") \(event.node ?? "")"
        }
        return log + events
    }

    /// What is on disk.
    func rows<Value>(_ query: String, _ body: (Row) throws -> Value) -> [Value] {
        // Before the first server there is nothing.
        var configuration = Configuration()
        configuration.readonly = true
        guard
            let database = try? DatabaseQueue(
                path: directories.database, configuration: configuration)
        else { return [] }
        return
            (try? database.read { database in
                try Row.fetchAll(database, sql: query).map(body)
            }) ?? []
    }
}

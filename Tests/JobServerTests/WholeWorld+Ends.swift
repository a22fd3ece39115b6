import GRDB
import JobModel
import LinuxSystem

@testable import JobServer
@testable import Scheduling

/// What is checked once all jobs have ended.
extension WholeWorld {
    /// Returns what the server says of them.
    func checkEnds() -> WholeOutcome {
        // Whoever has to be told has been by then, at the last try.
        pass(20_000_000)
        checkStore()
        checkNodes()
        checkTold()
        checkSamplers()
        return outcome()
    }

    private func checkStore() {
        for (name, count) in rows(
            "SELECT name, COUNT(*) AS count FROM jobs WHERE name != 'nightly' GROUP BY name",
            { ($0["name"] as String, $0["count"] as Int) })
        where count != 1 {
            violate("\(name) was accepted once and is there \(count) times")
        }
        // Numbers of attempts are those that were sent, one after the other.
        var last: [TaskID: Int] = [:]
        for (task, attempt) in rows(
            "SELECT job, task, attempt FROM events WHERE kind = 0 ORDER BY sequence",
            {
                (TaskID(job: JobID($0["job"]), index: $0["task"]), $0["attempt"] as Int)
            })
        {
            if attempt != last[task, default: 0] + 1 {
                violate("\(task) was sent as \(attempt) after \(last[task, default: 0])")
            }
            last[task] = attempt
        }
        let left = (try? Files.names(in: directories.state + "/jobs")) ?? []
        let jobs = rows("SELECT id FROM jobs") { "\($0["id"] as Int64)" }
        for name in left where !jobs.contains(name) {
            violate("there is a directory \(name) of no job")
        }
    }

    /// Nothing is left anywhere.
    private func checkNodes() {
        for node in nodes where !node.isIdle { violate("\(node.name) has tasks left") }
        client("state") { server in
            let state = await server.state
            guard state.lanes.isEmpty, state.active.isEmpty else {
                throw ErrorReport(error: "lanes or jobs are left over")
            }
            for job in state.allJobs where !job.live.isEmpty {
                throw ErrorReport(error: "job \(job.id) holds tasks")
            }
            guard await server.uncommitted.isEmpty else {
                throw ErrorReport(error: "something is still to be committed")
            }
        }
    }

    private func checkTold() {
        let due = rows("SELECT COUNT(*) AS n FROM notifications WHERE due IS NOT NULL") {
            $0["n"] as Int
        }
        if due != [0] { violate("\(due) notifications are still due") }
        for (one, count) in told where count > rounds(one) + excuses[one, default: 0] {
            violate("\(one.event) of job \(one.job) was told \(count) times")
        }
        let all = rows("SELECT job, event FROM notifications") { row in
            Told(job: JobID(row["job"]), event: row["event"])
        }
        for one in all where told[one, default: 0] == 0 {
            violate("\(one.event) of job \(one.job) was told to nobody")
        }
    }

    /// Ends of which somebody is told: a job that goes on ends again.
    private func rounds(_ one: Told) -> Int {
        rows(
            """
            SELECT COUNT(*) AS n FROM notifications
                WHERE job = \(one.job) AND event = '\(one.event)'
            """
        ) { $0["n"] as Int }.first ?? 0
    }

    private func checkSamplers() {
        for sampler in samplers {
            let tells = sampler.words.filter { $0.contains(#""tell":"#) }
            if Set(tells).count != tells.count { violate("a sampler was told twice") }
        }
    }

    private func outcome() -> WholeOutcome {
        let found = client("report") { server -> [(JobID, WholeOutcome.Job)] in
            var jobs: [(JobID, WholeOutcome.Job)] = []
            for summary in await server.jobs().sorted(by: { $0.id < $1.id }) {
                let tasks = try await server.report(TaskSelection(job: summary.id)).tasks
                for state in TaskState.allCases
                where summary.counts[state] != tasks.filter({ $0.state == state }).count {
                    throw ErrorReport(error: "job \(summary.id) counts its tasks wrongly")
                }
                let job = WholeOutcome.Job(
                    name: summary.name, state: summary.state, tasks: tasks.map(\.state),
                    points: tasks.map(\.params), codes: tasks.map(\.exitCode),
                    metrics: tasks.map(\.metrics),
                    reasons: tasks.map { $0.state == .stopped ? $0.reason : nil })
                jobs.append((summary.id, job))
            }
            return jobs
        }
        var outcome = WholeOutcome()
        for (id, job) in found ?? [] {
            for (index, state) in job.tasks.enumerated() where state == .succeeded {
                let task = TaskID(job: id, index: index)
                if !succeeded.contains(task) {
                    violate("\(task) is said to have succeeded, and has not")
                }
            }
            // How often that comes again depends on when others ended.
            if job.name != "nightly" { outcome.jobs.append(job) }
            for one in told.keys where one.job == id {
                outcome.told.insert("\(job.name): \(one.event)")
            }
        }
        return outcome
    }
}

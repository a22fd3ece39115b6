public import JobModel
internal import Scheduling
internal import StateStore

extension JobServer {
    /// Reasons that a report names of one job, and incidents of nodes.
    private static let namedFailures = 5
    private static let namedIncidents = 20

    /// What became of the jobs of the last `milliseconds`.
    public func night(_ milliseconds: Int64) async throws(ErrorReport) -> NightReport {
        guard let store else { throw ErrorReport(error: "the server is not running") }
        // While nothing can be written, what is on disk is told.
        try? await settle()
        let end = now
        let start = Timestamp(milliseconds: end.milliseconds - milliseconds)
        var report = NightReport(from: start, to: end)
        let summaries = jobs()
        let ids = state.allJobs.filter { $0.ended.map { $0 >= start } ?? true }.map(\.id)
        let (tallies, incidents) = try await read { () throws(StoreError) in
            var tallies: [JobID: JobTally] = [:]
            for id in ids { tallies[id] = try store.tally(of: id, start..<end) }
            return (
                tallies,
                try store.events(
                    of: [.nodeDisconnected, .nodeQuarantined], since: start,
                    limit: Self.namedIncidents)
            )
        }
        report.incidents = incidents
        report.jobs = summaries.compactMap { summary in
            tallies[summary.id].map { Self.job(summary, $0) }
        }
        report.nodes = nodes(tallies.values, seconds: Double(milliseconds) / 1000)
        return report
    }

    private static func job(_ summary: JobSummary, _ tally: JobTally) -> NightReport.Job {
        var job = NightReport.Job(summary)
        job.ended = tally.ended
        job.retried = tally.retried
        job.retriedSeconds = Double(tally.retriedMilliseconds) / 1000
        job.taskSeconds = Double(tally.milliseconds) / 1000
        let failures = tally.failures.map {
            NightReport.Failure(reason: $0.key, tasks: $0.value.tasks, first: $0.value.first)
        }.sorted { ($1.tasks, $0.first) < ($0.tasks, $1.first) }
        job.failures = Array(failures.prefix(namedFailures))
        job.moreFailures = failures.dropFirst(namedFailures).reduce(0) { $0 + $1.tasks }
        return job
    }

    /// Those that are there now, used or not, and those that were used.
    private func nodes(_ tallies: some Sequence<JobTally>, seconds: Double) -> [NightReport.Node] {
        var nodes: [String: NightReport.Node] = [:]
        for tally in tallies {
            for (name, use) in tally.use {
                nodes[name, default: .init(name: name)].tasks += use.tasks
                nodes[name]?.cpuHours += use.cpuTime / 3_600_000
                nodes[name]?.gpuHours += use.gpuTime / 3_600_000
            }
        }
        for status in nodeStatus() where status.cpus > 0 {
            var node = nodes[status.name] ?? .init(name: status.name)
            let hours = seconds / 3600
            node.cpuShare = node.cpuHours / (hours * Double(status.cpus))
            if status.gpus > 0 { node.gpuShare = node.gpuHours / (hours * Double(status.gpus)) }
            nodes[status.name] = node
        }
        return nodes.values.sorted { $0.name < $1.name }
    }
}

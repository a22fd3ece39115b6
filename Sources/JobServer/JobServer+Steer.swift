public import JobModel
internal import NodeLink
internal import Scheduling

extension JobServer {
    /// Changes what holds of jobs that have not ended. On disk when it returns.
    public func set(_ ids: [JobID], _ settings: [JobSetting]) async throws(ErrorReport)
        -> [JobSummary]
    {
        try checkWritable("set")
        for id in ids {
            guard try !job(id).isFinal else {
                throw ErrorReport(
                    error: "job \(id) has ended: nothing is left that could be changed",
                    hint: "`martlet retry \(id)` runs what did not succeed again", isUsage: true)
            }
        }
        apply(ids.map { .jobSet($0, settings) })
        try await settle()
        return try summaries(ids)
    }

    /// Holds jobs, pauses them, or lets them go on. On disk when it returns.
    public func steer(_ ids: [JobID], _ steering: JobSteering) async throws(ErrorReport)
        -> [JobSummary]
    {
        try checkWritable(steering.rawValue)
        for id in ids {
            guard try !job(id).isFinal else {
                throw ErrorReport(
                    error: "\(steering.rawValue): job \(id) has ended", isUsage: true)
            }
            if steering == .pause { try checkPause(id) }
        }
        apply(ids.map { .jobSteered($0, steering) })
        try await settle()
        return try summaries(ids)
    }

    private func checkPause(_ id: JobID) throws(ErrorReport) {
        for live in state.liveTasks(of: id).values {
            for name in live.nodes.isEmpty ? [live.placement.node] : live.nodes {
                guard let node = nodes[name], state.isConnected(name),
                    !node.skills.contains(AgentSkill.pause)
                else { continue }
                throw ErrorReport(
                    error: "pause: what runs on node \(name) is of an older version",
                    hint: "`martlet hold \(id)` starts nothing more, and lets that end")
            }
        }
    }

    private func summaries(_ ids: [JobID]) throws(ErrorReport) -> [JobSummary] {
        var summaries: [JobSummary] = []
        for id in ids { summaries.append(try summary(id)) }
        return summaries
    }
}

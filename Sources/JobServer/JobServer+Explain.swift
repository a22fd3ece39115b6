public import JobModel
internal import Scheduling

extension JobServer {
    /// Why it waits, and why it runs where it runs.
    /// - Parameter index: of one task; nil asks about the job.
    public func explain(_ id: JobID, index: Int?) async throws(ErrorReport) -> ExplanationReport {
        let job = try job(id)
        if job.isFinal, !job.isLoaded, let index, index < job.taskCount {
            var report = ExplanationReport(job: id, name: job.name, state: job.state)
            report.index = index
            report.reason = "it has ended; `martlet show \(id)_\(index)` tells how"
            return report
        }
        guard var report = state.explanation(of: id, index: index, now: now) else {
            throw ErrorReport(
                error: "job \(id) has no task \(index ?? 0)",
                hint: "it has \(job.taskCount), from 0 on", isUsage: true)
        }
        // A task that has its place waits until that node has what the job needs.
        let supply =
            index == nil
            ? supplyText(of: id) : report.place.flatMap { supplyText(of: id, on: $0.node) }
        if !job.isFinal, let supply { report.reason = supply }
        return report
    }
}

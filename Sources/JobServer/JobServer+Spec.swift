public import JobModel
internal import Scheduling
internal import StateStore

extension JobServer {
    /// What a job is, with all that was changed since its submit.
    public func spec(_ id: JobID) async throws(ErrorReport) -> JobSpec {
        let decisions = try job(id).decisions
        guard let store else { throw ErrorReport(error: "the server is not running") }
        let stored = try await read { () throws(StoreError) in try store.job(id) }
        guard let stored else { throw ErrorReport(error: "job \(id) cannot be read") }
        return stored.spec.with(decisions)
    }
}

internal import JobModel
internal import LinuxSystem
internal import Scheduling
internal import StateStore

/// Jobs with `repeat`: when one has ended, the next of its kind is submitted, and waits for its time. So they never overlap.
extension JobServer {
    /// When a job of this spec begins first.
    func firstStart(of spec: JobSpec) throws(ErrorReport) -> Timestamp? {
        guard let rule = spec.repetition, spec.start == nil else { return spec.start }
        if let next = rule.next(after: wallTime) { return next }
        throw ErrorReport(
            error: "repeat: '\(rule.text)' never comes", hint: "look at its day and month",
            isUsage: true)
    }

    /// Those whose next one an earlier server did not come to.
    func repeatEnded() {
        var newest: [String: JobRecord] = [:]
        for job in state.allJobs { newest[job.name] = job }
        for job in newest.values where job.isFinal { repeatSoon(job) }
    }

    /// Whoever cancels one wants no more of them.
    func repeatSoon(_ job: JobRecord) {
        guard job.spec.repetition != nil, job.state != .cancelled else { return }
        pace.start { await self.submitNext(after: job.id) }
    }

    private func submitNext(after id: JobID) async {
        while let store, !isEnding {
            do throws(ErrorReport) {
                let stored = try await read { () throws(StoreError) in try store.job(id) }
                guard var spec = stored?.spec else { return }
                spec.start = nil
                let text = directories.jobDirectory(id.rawValue) + "/spec.yaml"
                // Without its text it is the same job.
                let source = (try? Files.text(text, limit: 1 << 30)) ?? ""
                // However often this is tried, it is one job.
                let next = try await submit(
                    SubmitRequest(spec: spec, source: source, key: "next after \(id)"))
                return note("job \(id) is repeated as job \(next.id)")
            } catch {
                note("job \(id) cannot be repeated: \(error.error)")
                if error.isUsage == true { return }
            }
            // A pause cut short only tries earlier.
            try? await pace.sleep(60_000)
        }
    }
}

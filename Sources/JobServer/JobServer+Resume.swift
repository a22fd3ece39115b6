public import JobModel
internal import LinuxSystem
internal import NodeLink
internal import Scheduling
internal import StateStore

extension JobServer {
    /// Lets the newest job of the spec's name go on with what the spec says now. Without consent to changed keys nothing is done
    /// but to tell of them. On disk when it returns.
    public func resume(_ request: ResumeRequest) async throws(ErrorReport) -> ResumeReply {
        try checkWritable("resume")
        let name = request.spec.name
        guard let id = state.allJobs.last(where: { $0.name == name })?.id, let store else {
            return ResumeReply(id: nil, name: name)
        }
        let edited = try await SubmitCheck.expansion(of: request.spec)
        let stored = try await read { () throws(StoreError) in try store.job(id) }
        guard let former = stored?.spec else {
            throw ErrorReport(error: "resume: job \(id) cannot be read")
        }
        guard !former.isSampled, !request.spec.isSampled else {
            throw ErrorReport(
                error: "job \(id) cannot be resumed: a sampler gives its points one by one",
                hint: "`martlet retry \(id)` runs again what failed; submit it for other points",
                isUsage: true)
        }
        let continuation = try await Self.continuation(of: former, as: edited, id)
        var spec = request.spec
        spec.sweep = continuation.sweep
        let points = try await SubmitCheck.points(of: spec)
        while let unprepared = try firstUnprepared([id]) { try await prepare(unprepared) }
        // From here on nothing else happens in between.
        var reply = ResumeReply(id: id, name: name)
        reply.changes = SpecDifference(former, spec).changes.filter {
            !$0.key.hasPrefix("sweep.")
        }
        try check(id, former, continuation, reply.changes)
        count(&reply, continuation)
        guard reply.changes.isEmpty || request.consents else { return reply }
        reply.isDone = true
        expansions[id] = points
        if lastExpansion?.job == id { lastExpansion = nil }
        if spec.image == "host" {
            roots[id] = .host
        } else if spec.image != former.image {
            roots[id] = nil
        }
        places.note(id, spec)
        do {
            if seams.writesFolder() {
                try JobFolder.renew(request.source, of: id, in: directories)
            }
        } catch {
            throw ErrorReport(error: "resume: \(error)")
        }
        apply([
            .jobRenewed(id, spec, taskCount: continuation.count, dropped: continuation.dropped)
        ])
        try await settle()
        return reply
    }

    /// Off the actor: it looks at every point.
    @concurrent
    private static func continuation(
        of former: JobSpec, as edited: SweepExpansion, _ id: JobID
    ) async throws(ErrorReport) -> SweepContinuation {
        let known = try await SubmitCheck.points(of: former)
        do throws(SweepError) {
            return try SweepContinuation(of: known, former.sweep, as: edited)
        } catch {
            throw ErrorReport(
                error: "resume: the sweep cannot go on as job \(id): \(error)",
                hint: "run it without --resume, as a job of its own", isUsage: true)
        }
    }

    private func check(
        _ id: JobID, _ former: JobSpec, _ continuation: SweepContinuation, _ changes: [SpecChange]
    ) throws(ErrorReport) {
        let job = try job(id)
        guard job.taskCount == continuation.count - continuation.added else {
            throw ErrorReport(
                error: "resume: somebody else resumes job \(id) at this moment",
                hint: "try it again")
        }
        if !job.isFinal, !changes.isEmpty {
            throw ErrorReport(
                error: "resume: job \(id) still goes on, and \(Self.list(changes)) changed",
                hint: "wait until it has ended, or `martlet cancel \(id)` first", isUsage: true)
        }
        if changes.contains(where: { $0.key == "after" }) {
            throw ErrorReport(
                error: "resume: what job \(id) comes after cannot change any more",
                hint: "run it without --resume, as a job of its own", isUsage: true)
        }
        if continuation.added > 0, job.dependencies.contains(where: { $0.condition == .each }) {
            throw ErrorReport(
                error:
                    "resume: the tasks of job \(id) follow those of another one by one: it gets no more",
                hint: "run it without --resume, as a job of its own", isUsage: true)
        }
    }

    private static func list(_ changes: [SpecChange]) -> String {
        changes.map(\.key).joined(separator: ", ")
    }

    private func count(_ reply: inout ResumeReply, _ continuation: SweepContinuation) {
        guard let id = reply.id, let job = state.job(id) else { return }
        let counts = job.counts
        let dropped = TaskSelection(job: id, ranges: continuation.dropped)
        let succeeded = counts.succeeded
        let running = counts.running - state.count(dropped, in: [.running])
        let again = counts.total - counts.succeeded - counts.running
        let gone = state.count(dropped, in: [.queued, .failed, .lost, .cancelled])
        reply.added = continuation.added
        reply.dropped = gone + state.count(dropped, in: [.running])
        reply.kept = succeeded + running
        reply.queued = again - gone + continuation.added
        if continuation.dropped.isEmpty {
            // No ranges would mean all tasks.
            reply.dropped = 0
            reply.kept = succeeded + counts.running
            reply.queued = again + continuation.added
        }
    }
}

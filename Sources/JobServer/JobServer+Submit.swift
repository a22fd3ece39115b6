internal import FoundationEssentials
public import JobModel
internal import LinuxSystem
internal import NodeLink
internal import Scheduling
internal import StateStore

extension JobServer {
    /// On disk when it returns. A repeated key returns the first submit's job.
    public func submit(_ request: SubmitRequest) async throws(ErrorReport) -> SubmitReply {
        guard let store else { throw ErrorReport(error: "the server is not running") }
        if let reason = state.heldReason { throw ErrorReport(error: "submit: \(reason)") }
        let dependencies = try resolve(request.spec.after)
        let expansion = try await SubmitCheck.expansion(of: request.spec)
        try check(dependencies, expansion.count)
        try check(sampler: request.spec)
        try NetworkCheck.check(request.spec, count: expansion.count, held: state.heldPorts)
        var spec = request.spec
        spec.start = try firstStart(of: spec)
        let folder = try JobFolder.stage(request.source, in: directories, seams)
        let draft = JobDraft(
            spec: spec, key: request.key, taskCount: expansion.count,
            dependencies: Self.bytes(of: dependencies), submitted: now)
        let inserted: InsertedJob
        do {
            inserted = try await withCheckedThrowingContinuation { continuation in
                guard let saved = seams.saving() else {
                    return continuation.resume(
                        throwing: ErrorReport(error: "the server is being ended"))
                }
                store.insert(draft) { result in saved { continuation.resume(with: result) } }
            }
        } catch {
            folder.discard()
            throw ErrorReport(error: "submit: \(error)")
        }
        if inserted.isNew {
            tellEventReaders()
            folder.place(inserted.id)
            try await loadFollowed(dependencies)
            admit(inserted.id, draft, expansion, dependencies)
        } else {
            defer { folder.discard() }
            try await checkSame(request, inserted)
            folder.lend(to: inserted.id)
        }
        var reply = SubmitReply(
            id: inserted.id, name: inserted.name, tasks: inserted.taskCount)
        if inserted.isNew { reply.notes = notes(on: request.spec) }
        return reply
    }

    /// The key was used before: for the same job, or by mistake.
    private func checkSame(_ request: SubmitRequest, _ earlier: InsertedJob)
        async throws(ErrorReport)
    {
        guard let store, let key = request.key,
            let stored = try await read({ () throws(StoreError) in try store.job(earlier.id) })
        else { return }
        var spec = stored.spec
        // When it began the rule has said, and not the request.
        if spec.repetition != nil { spec.start = request.spec.start }
        let keys = SpecDifference(spec, request.spec).keys
        guard !keys.isEmpty else { return }
        throw ErrorReport(
            error:
                "submit: the key '\(key)' is that of job \(earlier.id), whose spec differs in \(keys.joined(separator: ", "))",
            hint: "use another key for another job; `martlet show \(earlier.id)` shows that one",
            isUsage: true)
    }

    private static func bytes(of dependencies: [JobDependency]) -> [UInt8] {
        // Two plain fields: they encode.
        (try? JSONEncoder().encode(dependencies)).map(Array.init) ?? []
    }

    private func admit(
        _ id: JobID, _ draft: JobDraft, _ expansion: SweepExpansion,
        _ dependencies: [JobDependency]
    ) {
        places.note(id, draft.spec)
        expansions[id] = expansion
        if draft.spec.image == "host" { roots[id] = .host }
        apply([
            .submitted(
                NewJob(
                    id: id, spec: draft.spec, taskCount: draft.taskCount,
                    submitted: draft.submitted, dependencies: dependencies))
        ])
    }

    /// From numbers and names to the jobs that they mean now: of several with a name, the last.
    private func resolve(_ dependencies: [Dependency]) throws(ErrorReport) -> [JobDependency] {
        var resolved: [JobDependency] = []
        for dependency in dependencies {
            let job =
                Int64(dependency.job).flatMap { state.job(JobID($0)) }
                ?? state.allJobs.last { $0.name == dependency.job }
            guard let job else {
                throw ErrorReport(
                    error: "after: there is no job \(dependency.job)",
                    hint: "`martlet ls` lists all jobs", isUsage: true)
            }
            resolved.append(JobDependency(condition: dependency.condition, job: job.id))
        }
        return resolved
    }

    private func check(sampler spec: JobSpec) throws(ErrorReport) {
        guard let sampler = spec.sweep.sample?.sampler else { return }
        guard !spec.after.contains(where: { $0.condition == .each }) else {
            throw ErrorReport(
                error: "after.each: the points of a sampler follow no other job's",
                hint: "after: {ok: …} waits for all of it", isUsage: true)
        }
        guard Files.exists(sampler.directory) else {
            throw ErrorReport(
                error: "sample: there is no directory \(sampler.directory)", isUsage: true)
        }
    }

    private func check(_ dependencies: [JobDependency], _ count: Int) throws(ErrorReport) {
        for dependency in dependencies where dependency.condition == .each {
            guard let job = state.job(dependency.job) else { continue }
            guard job.taskCount == count else {
                throw ErrorReport(
                    error:
                        "after.each: job \(job.id) has \(job.taskCount) tasks, this one \(count)",
                    hint: "the sweeps have to be of one size", isUsage: true)
            }
        }
    }
}

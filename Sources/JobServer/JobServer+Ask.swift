internal import Glibc
public import JobModel
internal import LinuxSystem
internal import Scheduling
internal import StateStore

extension JobServer {
    /// Newest last.
    public func jobs() -> [JobSummary] { state.allJobs.map(summary) }

    public func summary(_ id: JobID) throws(ErrorReport) -> JobSummary {
        summary(try job(id))
    }

    private func summary(_ job: JobRecord) -> JobSummary {
        var standing = state.standing(of: job.id, now: now)
        if let text = pullText(of: job) ?? supplyText(of: job.id) { standing.reason = text }
        if standing.reason == nil { standing.reason = state.silenceText(of: job.id) }
        // An end that is not on disk may be forgotten, and then there will be another: nobody is told of it.
        let isUnsaved = job.isFinal && !isEnded(job)
        if isUnsaved {
            standing = (
                state.heldReason == nil ? .running : .held,
                state.heldReason ?? "its end is being saved"
            )
        }
        var summary = JobSummary(
            id: job.id, name: job.name, state: standing.state, reason: standing.reason,
            counts: job.counts,
            image: ImageReport(reference: job.spec.image, digest: job.digest),
            submitted: job.submitted.description, started: job.started?.description,
            ended: isUnsaved ? nil : job.ended?.description,
            directory: directories.jobDirectory(job.id.rawValue),
            lastFailure: lastFailures[job.id])
        if job.spec.confinement != .standard {
            summary.confinement = job.spec.confinement.description
        }
        summary.notes = job.decisions.notes
        if !job.isFinal { summary.hold = job.decisions.hold?.rawValue }
        summary.best = best(of: job)
        return summary
    }

    /// On disk, too.
    func isEnded(_ job: JobRecord) -> Bool {
        job.isFinal && !uncommitted.contains { $0.ends.contains(job.id) }
    }

    /// Rows of one answer, at most: what they take as JSON is to be no burden to a small server.
    public static let largestPage = 2000

    /// The job with those of its tasks that are selected and, where states are given, in one of them; ascending by index from
    /// `from` on. Of more than `limit` the report tells where to go on.
    public func report(
        _ selection: TaskSelection, states: Set<TaskState>? = nil, from: Int = 0,
        limit: Int = largestPage
    ) async throws(ErrorReport) -> JobReport {
        let count = try job(selection.job).taskCount
        let (reporter, summary, next) = try await reporter(selection.job) {
            job, store throws(StoreError) in
            try TaskPage(
                of: job, IndexRanges.ascending(selection.ranges(of: count), from: from), states,
                limit: max(0, min(limit, Self.largestPage)), store)
        }
        var report = JobReport(summary, tasks: await reporter.tasks(states))
        report.next = next
        return report
    }

    /// One row a point, ascending by index from `from` on. Of more than `limit` the report tells where to go on; only the
    /// first part names metrics that have no goal.
    public func results(_ id: JobID, from: Int = 0, limit: Int = largestPage)
        async throws(ErrorReport) -> ResultsReport
    {
        let count = try job(id).taskCount
        let (reporter, _, next) = try await reporter(id) { job, store throws(StoreError) in
            try TaskPage(
                of: job, IndexRanges.ascending([0..<count], from: from), nil,
                limit: max(0, min(limit, Self.largestPage)), store)
        }
        var report = await reporter.results(
            metrics: from == 0 ? try await metricNames(of: id) : [])
        report.next = next
        return report
    }

    /// The `limit` best points by the job's goals, or its first where it has none.
    public func bestResults(_ id: JobID, limit: Int) async throws(ErrorReport) -> ResultsReport {
        let (reporter, _, _) = try await reporter(id) { job, store throws(StoreError) in
            try TaskPage(bestOf: job, limit: max(0, min(limit, Self.largestPage)), store)
        }
        return await reporter.results(metrics: try await metricNames(of: id))
    }

    private func metricNames(of id: JobID) async throws(ErrorReport) -> [String] {
        guard let store else { throw ErrorReport(error: "the server is not running") }
        return try await read { () throws(StoreError) in try store.metricNames(of: id) }
    }

    /// What a report is made of, at one moment: rows that are on disk, and what of them memory knows better.
    private func reporter(
        _ id: JobID,
        _ page: @escaping @Sendable (JobRecord, StateStore) throws(StoreError) -> TaskPage
    ) async throws(ErrorReport) -> (TaskReporter, JobSummary, next: Int?) {
        guard let store else { throw ErrorReport(error: "the server is not running") }
        // While nothing can be written, what is on disk is told.
        try? await settle()
        let points = try await points(of: id)
        while true {
            let before = try job(id)
            let wasEnded = isEnded(before)
            let page = try await read { () throws(StoreError) in try page(before, store) }
            let job = try job(id)
            // Else an ended job would be shown with tasks of which the end had not been read.
            guard isEnded(job) == wasEnded else { continue }
            let reporter = TaskReporter(
                job: job, page: page, expansion: points,
                waitReason: job.isFinal ? nil : state.standing(of: id, now: now).reason,
                live: state.liveTasks(of: id), silent: state.silentTasks(of: id),
                directory: directories.jobDirectory(id.rawValue))
            return (reporter, summary(job), page.next)
        }
    }

    func points(of id: JobID) async throws(ErrorReport) -> SweepExpansion {
        if let points = expansions[id] { return points }
        if let last = lastExpansion, last.job == id { return last.points }
        let points = try await expansion(of: id, try job(id).spec)
        lastExpansion = (id, points)
        return points
    }

    func read<Value: Sendable>(
        _ body: @escaping @Sendable () throws(StoreError) -> Value
    ) async throws(ErrorReport) -> Value {
        do {
            return try await pace.value { () -> Result<Value, StoreError> in
                do throws(StoreError) { return .success(try body()) } catch {
                    return .failure(error)
                }
            }.get()
        } catch let error as StoreError {
            if error.kind == .corrupt { hold(by: error) }
            throw ErrorReport(error: error.text, hint: error.advice(directories.database))
        } catch { throw ErrorReport(error: "\(error)") }
    }

    /// What was read cannot be so: tasks that run go on, and what comes of them is kept on their nodes.
    private func hold(by error: StoreError) {
        guard !isDamaged else { return }
        isDamaged = true
        note("the database is damaged: \(error.text)")
        inbox.post(
            .event(.held("\(error.text); \(error.advice(directories.database) ?? "")")))
    }

    public func status() -> ServerStatus {
        var status = ServerStatus()
        status.pid = getpid()
        status.started = startedAt.start.description
        status.residentMemory = Self.residentMemory()
        status.held = state.heldReason
        status.directory = directories.state
        for job in state.activeJobs.compactMap(state.job) {
            status.activeJobs += 1
            for state in TaskState.allCases { status.counts[state] += job.counts[state] }
        }
        status.nodes = nodeStatus()
        return status
    }

    /// This machine first.
    public func nodeStatus() -> [ServerStatus.Node] {
        let reports = Dictionary(
            state.nodeReports.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
        return nodes.values.sorted {
            ($0.spec == nil ? 0 : 1, $0.name) < ($1.spec == nil ? 0 : 1, $1.name)
        }.map {
            connection in
            var node =
                reports[connection.name].map(Self.status)
                ?? .init(
                    name: connection.name,
                    state: connection.problem == nil ? .connecting : .disconnected)
            if node.state != .connected, node.state != .held {
                node.state = connection.stateNumber == 0 ? .connecting : .disconnected
                node.reason = connection.problem ?? node.reason
            }
            node.destination = connection.spec?.destination
            node.spec = connection.spec
            if let facts = connection.facts {
                node.findings = NodeCheck.findings(
                    of: facts.facts, clockOffset: facts.clockOffset,
                    pulls: connection.spec?.pulls == true)
            }
            return node
        }
    }

    private static func status(_ report: NodeReport) -> ServerStatus.Node {
        var node = ServerStatus.Node(
            name: report.name,
            state: !report.isConnected
                ? .disconnected : report.heldReason == nil ? .connected : .held)
        node.reason = report.heldReason
        node.labels = report.resources.labels
        node.drain = report.drain
        node.quarantine = report.quarantine
        node.closedGPUs = report.closedGPUs.isEmpty ? nil : report.closedGPUs
        node.failures = report.failures
        node.silentSince = report.silentSince?.description
        node.givenUp = report.givenUp?.description
        node.cpus = report.resources.cpuCount
        node.freeCPUs = report.resources.freeCPUCount
        node.memory = report.resources.memory
        node.freeMemory = report.resources.freeMemory
        node.gpus = report.resources.gpuCount
        node.freeGPUs = report.resources.freeGPUCount
        node.tasks = report.tasks
        return node
    }

    /// Second field of /proc/self/statm, in pages; 0 where /proc is hidden.
    private static func residentMemory() -> Int64 {
        let fields = (try? Files.text("/proc/self/statm"))?.split(separator: " ") ?? []
        guard fields.count > 1, let pages = Int64(fields[1]) else { return 0 }
        return pages * Int64(sysconf(Int32(_SC_PAGESIZE)))
    }
}

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
        let standing = state.standing(of: job.id, now: now)
        return JobSummary(
            id: job.id, name: job.name, state: standing.state, reason: standing.reason,
            counts: job.counts,
            image: ImageReport(reference: job.spec.image, digest: job.digest),
            submitted: job.submitted.description, started: job.started?.description,
            ended: job.ended?.description, directory: directories.jobDirectory(job.id.rawValue),
            lastFailure: lastFailures[job.id])
    }

    /// The job with those of its tasks that are selected and, where states are given, in one of them; ascending by index.
    public func report(_ selection: TaskSelection, states: Set<TaskState>? = nil)
        async throws(ErrorReport) -> JobReport
    {
        let reporter = try await reporter(selection.job, selection.ranges)
        return JobReport(
            try summary(selection.job), tasks: await reporter.tasks(selection, states))
    }

    /// One row a point, ascending by index.
    public func results(_ id: JobID) async throws(ErrorReport) -> ResultsReport {
        await (try reporter(id, nil)).results()
    }

    /// What reports are made of, at one moment: rows that are on disk, and what of them memory knows better.
    private func reporter(_ id: JobID, _ ranges: [Range<Int>]?) async throws(ErrorReport)
        -> TaskReporter
    {
        _ = try job(id)
        guard let store else { throw ErrorReport(error: "the server is not running") }
        await settle()
        let rows = try await read { () throws(StoreError) in try store.tasks(of: id, in: ranges) }
        let job = try job(id)
        var expansion = expansions[id]
        if expansion == nil { expansion = try await SubmitCheck.points(of: job.spec) }
        guard let expansion else { throw ErrorReport(error: "job \(id) has no points") }
        let standing = state.standing(of: id, now: now)
        return TaskReporter(
            job: job, stored: rows, expansion: expansion,
            waitReason: job.isFinal ? nil : standing.reason,
            live: state.liveTasks(of: id), directory: directories.jobDirectory(id.rawValue))
    }

    func read<Value: Sendable>(
        _ body: @escaping @Sendable () throws(StoreError) -> Value
    ) async throws(ErrorReport) -> Value {
        do {
            return try await BackgroundThread.value { () -> Result<Value, StoreError> in
                do throws(StoreError) { return .success(try body()) } catch {
                    return .failure(error)
                }
            }.get()
        } catch { throw ErrorReport(error: "\(error)") }
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
        status.nodes = state.nodeReports.map(Self.status)
        return status
    }

    private static func status(_ report: NodeReport) -> ServerStatus.Node {
        var node = ServerStatus.Node(
            name: report.name,
            state: !report.isConnected
                ? .disconnected : report.heldReason == nil ? .connected : .held)
        node.reason = report.heldReason
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

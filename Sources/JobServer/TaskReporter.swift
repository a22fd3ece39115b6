internal import JobModel
internal import Scheduling
internal import StateStore

/// Makes reports of one job from its rows and from what memory knew when they were read. Off the actor.
struct TaskReporter: Sendable {
    let job: JobRecord
    let page: TaskPage
    let expansion: SweepExpansion
    /// Why its queued tasks wait.
    let waitReason: String?
    let live: [Int: LiveTask]
    let silent: [Int: NodeSilence]
    let directory: String

    @concurrent
    func tasks(_ states: Set<TaskState>?) async -> [TaskReport] {
        var rows = page.stored.rows[...]
        return page.indexes.compactMap { index in
            let row = Self.next(&rows, index)
            let state = self.state(index, row)
            // It may have changed since the page was chosen.
            if let states, !states.contains(state) { return nil }
            return report(index, state, row)
        }
    }

    /// - Parameter metrics: names of all metrics that any task wrote.
    @concurrent
    func results(metrics names: [String]) async -> ResultsReport {
        var rows = page.stored.rows[...]
        let points = page.indexes.map { index -> ResultsReport.Row in
            let row = Self.next(&rows, index)
            return ResultsReport.Row(
                index: index, state: state(index, row), params: params(index),
                metrics: row?.metrics ?? [:],
                seconds: row.flatMap { row in
                    row.started.flatMap { started in
                        (row.ended?.seconds(since: started)).map { max(0, $0) }
                    }
                })
        }
        let goals = job.spec.metrics
        let wanted = goals.map(\.name)
        return ResultsReport(
            id: job.id, name: job.name, parameterNames: expansion.names,
            metricNames: wanted + Set(names).subtracting(wanted).sorted(),
            goals: goals.map(\.plain),
            points: points)
    }

    /// Rows and indexes both ascend.
    private static func next(_ rows: inout ArraySlice<TaskRow>, _ index: Int) -> TaskRow? {
        while let row = rows.first, row.index < index { rows = rows.dropFirst() }
        return rows.first.flatMap { $0.index == index ? $0 : nil }
    }

    private func params(_ index: Int) -> [String: ParameterValue] {
        Dictionary(
            expansion.point(at: index).parameters.map { ($0.name, $0.value) },
            uniquingKeysWith: { $1 })
    }

    /// Memory knows best, but for ends that are not on disk: they may be forgotten. Of an ended job whose tasks are not loaded, the
    /// rows know.
    private func state(_ index: Int, _ row: TaskRow?) -> TaskState {
        let saved = row?.state ?? page.stored.state(ofUntouched: index)
        guard job.isLoaded else { return saved }
        let known = job.state(of: index)
        guard known.isFinal, known != saved else { return known }
        return saved.isFinal ? .running : saved
    }

    private func report(_ index: Int, _ state: TaskState, _ row: TaskRow?) -> TaskReport {
        let live = live[index]
        var report = TaskReport(
            index: index, attempt: live?.attempt ?? row?.attempt ?? 0, state: state,
            params: params(index))
        let placement = live?.placement ?? row?.placement
        report.node = placement?.node
        let nodes = live?.nodes ?? row?.gang?.nodes ?? []
        report.nodes = nodes.isEmpty ? nil : nodes
        report.cpus = placement?.cpus ?? []
        report.numaNodes = placement?.numaNodes ?? []
        report.gpus = placement?.gpus ?? []
        report.enforcement = live?.enforcement
        report.ports = live?.ports.map(PortReport.init) ?? []
        if live != nil || row?.started != nil || row?.ended != nil {
            let part = nodes.isEmpty ? "" : "/nodes/\(nodes[0])"
            let attempt = "\(directory)\(part)/tasks/\(index)/\(report.attempt)"
            report.stdout = attempt + "/stdout"
            report.stderr = attempt + "/stderr"
        }
        report.started = (live?.started ?? row?.started)?.description
        if live == nil, let row { finish(&report, row) }
        if state == .queued, report.reason == nil { report.reason = waitReason }
        if let silence = silent[index] {
            report.silentSince = silence.since.description
            report.givenUp = silence.until?.description
            report.reason = silence.ofTask
        }
        if let stopping = live?.stopping { report.reason = stopping }
        if live?.isCancelling == true { report.reason = "is being cancelled" }
        if state == .cancelled, report.reason == nil { report.reason = job.failure }
        return report
    }

    /// Of what was asked for; nil where all is there, or where the task never came to its end.
    private func missing(_ row: TaskRow) -> [String: String]? {
        guard row.ended != nil, [.succeeded, .failed, .stopped].contains(row.state) else {
            return nil
        }
        let absent = job.spec.metrics.filter { row.metrics[$0.name] == nil }
        return absent.isEmpty
            ? nil : Dictionary(absent.map { ($0.name, $0.absence) }, uniquingKeysWith: { $1 })
    }

    private func finish(_ report: inout TaskReport, _ row: TaskRow) {
        report.ended = row.ended?.description
        report.exitCode = row.code
        report.signal = row.signal
        report.metrics = row.metrics
        report.missingMetrics = missing(row)
        report.reason = row.reason
        report.enforcement = row.enforcement
        report.peakMemory = row.peakMemory
        if let user = row.userMicroseconds, let system = row.systemMicroseconds {
            report.cpuSeconds = Double(user + system) / 1e6
        }
    }
}

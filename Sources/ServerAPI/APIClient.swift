internal import Foundation
public import JobModel
public import JobServer
internal import LinuxSystem

/// The command line's end: one request, one answer, over the server's Unix socket. Blocks; a connection a request, since
/// connecting on one machine costs microseconds.
public struct APIClient: Sendable {
    let socketPath: String
    /// Brings the server back where it went away, for `APIClient+Ask.swift`.
    let revive: (@Sendable () throws -> Void)?
    let patience: Patience

    public init(
        socketPath: String, patience: Patience = Patience(),
        revive: (@Sendable () throws -> Void)? = nil
    ) {
        self.socketPath = socketPath
        self.patience = patience
        self.revive = revive
    }

    /// Whether somebody listens.
    public var isAnswering: Bool { (try? UnixSocket.connect(socketPath, .stream)) != nil }

    public func status() throws -> ServerStatus { try get("/status") }
    public func jobs() throws -> [JobSummary] { try get("/jobs") }
    public func submit(_ request: SubmitRequest) throws -> SubmitReply {
        // Of the same key it is the same job, however often it is sent.
        try request.key == nil ? post("/jobs", request) : ask("/jobs", request)
    }
    public func summary(_ job: JobID) throws -> JobSummary { try get("/jobs/\(job)") }
    /// As it holds now.
    public func spec(_ job: JobID) throws -> JobSpec { try get("/jobs/\(job)/spec") }
    /// Of one task, or of the job.
    public func explanation(_ job: JobID, index: Int?) throws -> ExplanationReport {
        try get("/jobs/\(job)/explanation" + (index.map { "?task=\($0)" } ?? ""))
    }
    /// All points; several answers put together where they are many.
    public func results(_ job: JobID) throws -> ResultsReport {
        var whole: ResultsReport = try get("/jobs/\(job)/results")
        while let next = whole.next {
            let part: ResultsReport = try get("/jobs/\(job)/results?from=\(next)")
            whole.points += part.points
            whole.next = part.next
        }
        return whole
    }
    /// The `limit` best points by the job's goals, or its first where it has none.
    public func bestResults(_ job: JobID, limit: Int) throws -> ResultsReport {
        try get("/jobs/\(job)/results?best=true&limit=\(limit)")
    }
    /// All tasks that are asked for; several answers put together where they are many.
    public func report(_ request: ReportRequest) throws -> JobReport {
        var tasks: [TaskReport] = []
        var last: JobReport?
        try pages(of: request) { page in
            tasks += page.tasks
            last = page
        }
        guard var whole = last else { throw ErrorReport(error: "the server told nothing") }
        whole.tasks = tasks
        whole.next = nil
        return whole
    }
    /// The same, answer by answer.
    public func pages(of request: ReportRequest, _ body: (JobReport) throws -> Void) throws {
        var request = request
        while true {
            let page: JobReport = try ask("/report", request)
            try body(page)
            request.limit = request.limit.map { $0 - page.tasks.count }
            guard let next = page.next, request.limit ?? 1 > 0 else { return }
            request.from = next
        }
    }
    public func cancel(_ request: SelectionRequest) throws -> [Int] {
        (try ask("/cancel", request) as SelectionReply).counts
    }
    public func retry(_ request: SelectionRequest) throws -> [Int] {
        (try post("/retry", request) as SelectionReply).counts
    }
    public func nodes() throws -> [ServerStatus.Node] { try get("/nodes") }
    public func add(_ nodes: [NodeSpec]) throws -> [ServerStatus.Node] {
        try post("/nodes", NodesRequest(nodes))
    }
    public func change(_ node: String, _ request: NodeRequest) throws {
        let name = node.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? node
        let _: [ServerStatus.Node] = try post("/nodes/\(name)", request)
    }
    /// Throws where there is nothing to sit at.
    public func openSession(_ request: SessionRequest) throws -> SessionStream {
        let reply: SessionReply = try post("/sessions", request)
        return try SessionStream(socketPath, session: reply.session)
    }
    /// What the last `milliseconds` brought.
    public func night(_ milliseconds: Int64) throws -> NightReport {
        try get("/report?milliseconds=\(milliseconds)")
    }
    /// Events after `since`, of some jobs or of all; `EventExchange` tells where they begin without it.
    public func events(since: Int64?, jobs: [JobID], follow: Bool) throws -> EventStream {
        try EventStream(socketPath, since: since, jobs: jobs, follow: follow)
    }
    /// Those of the jobs that have ended, as soon as there are `count` of them or after `milliseconds`.
    public func ends(of jobs: [JobID], count: Int, milliseconds: Int64) throws -> [JobSummary] {
        try ask("/ends", EndsRequest(jobs: jobs, count: count, wait: milliseconds))
    }
    public func shutdown(stopNodes: Bool) throws {
        let _: ShutdownRequest = try post("/shutdown", ShutdownRequest(stopNodes: stopNodes))
    }
    /// Answers with the next change after `version`, or with the same after `milliseconds`.
    public func change(_ job: JobID, after version: Int64, milliseconds: Int64) throws -> JobChange
    {
        try get("/jobs/\(job)/changes?after=\(version)&wait=\(milliseconds)")
    }
}

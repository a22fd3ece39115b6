internal import Foundation
public import JobModel
public import JobServer
internal import LinuxSystem

/// The command line's end: one request, one answer, over the server's Unix socket. Blocks; a connection a request, since
/// connecting on one machine costs microseconds.
public struct APIClient: Sendable {
    private let socketPath: String
    /// Brings the server back where it went away under a question, which is then asked once more; what changes something is
    /// not sent twice.
    private let revive: (@Sendable () throws -> Void)?

    public init(socketPath: String, revive: (@Sendable () throws -> Void)? = nil) {
        self.socketPath = socketPath
        self.revive = revive
    }

    /// Whether somebody listens.
    public var isAnswering: Bool { (try? UnixSocket.connect(socketPath, .stream)) != nil }

    public func status() throws -> ServerStatus { try get("/status") }
    public func jobs() throws -> [JobSummary] { try get("/jobs") }
    public func submit(_ request: SubmitRequest) throws -> SubmitReply {
        try post("/jobs", request)
    }
    public func summary(_ job: JobID) throws -> JobSummary { try get("/jobs/\(job)") }
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
            let page: JobReport = try post("/report", request)
            try body(page)
            request.limit = request.limit.map { $0 - page.tasks.count }
            guard let next = page.next, request.limit ?? 1 > 0 else { return }
            request.from = next
        }
    }
    public func cancel(_ request: SelectionRequest) throws -> [Int] {
        (try post("/cancel", request) as SelectionReply).counts
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
        try post("/ends", EndsRequest(jobs: jobs, count: count, wait: milliseconds))
    }
    public func shutdown(stopNodes: Bool) throws {
        let _: ShutdownRequest = try post("/shutdown", ShutdownRequest(stopNodes: stopNodes))
    }
    /// Answers with the next change after `version`, or with the same after `milliseconds`.
    public func change(_ job: JobID, after version: Int64, milliseconds: Int64) throws -> JobChange
    {
        try get("/jobs/\(job)/changes?after=\(version)&wait=\(milliseconds)")
    }

    private func get<Reply: Decodable>(_ path: String) throws -> Reply {
        do {
            return try exchange("GET", path, Data())
        } catch {
            // Reset while it was asked, or closed before it answered.
            guard let revive, error is SystemError || error is ServerGone else { throw error }
            try revive()
            return try exchange("GET", path, Data())
        }
    }

    func post<Reply: Decodable>(_ path: String, _ body: some Encodable) throws -> Reply {
        try exchange("POST", path, try JSONEncoder().encode(body))
    }

    private func exchange<Reply: Decodable>(_ method: String, _ path: String, _ body: Data) throws
        -> Reply
    {
        let socket = try UnixSocket.connect(socketPath, .stream)
        let head =
            "\(method) \(ServerAPI.prefix)\(path) HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: \(body.count)\r\n\r\n"
        try Files.writeAll(socket.raw, Array(head.utf8) + body, socketPath)
        let (status, answer) = try HTTPAnswer.parse(
            try Files.read(socket.raw, socketPath, limit: 1 << 31))
        guard status == 200 else {
            throw (try? JSONDecoder().decode(ErrorReport.self, from: answer))
                ?? ErrorReport(error: "the server answered \(status)")
        }
        return try JSONDecoder().decode(Reply.self, from: answer)
    }
}

/// The connection ended before the answer came.
public struct ServerGone: Error, CustomStringConvertible {
    public let description = "the server ended without an answer"
}

/// RFC 9112, as far as our own server's answers go: a status line, headers, and a body of a length or in chunks.
enum HTTPAnswer {
    static func parse(_ bytes: [UInt8]) throws -> (status: Int, body: Data) {
        let separator = Array("\r\n\r\n".utf8)
        guard let end = bytes.firstRange(of: separator) else {
            throw ServerGone()
        }
        let lines = String(decoding: bytes[..<end.lowerBound], as: UTF8.self).components(
            separatedBy: "\r\n")
        guard let status = lines.first?.split(separator: " ").dropFirst().first.flatMap({ Int($0) })
        else {
            throw ErrorReport(error: "the server's answer is not HTTP")
        }
        let chunked = lines.contains { $0.lowercased() == "transfer-encoding: chunked" }
        let body = bytes[end.upperBound...]
        return (status, Data(chunked ? try unchunked(body) : body))
    }

    private static func unchunked(_ bytes: ArraySlice<UInt8>) throws -> ArraySlice<UInt8> {
        var rest = bytes
        var body: ArraySlice<UInt8> = []
        while let line = rest.firstRange(of: Array("\r\n".utf8)) {
            let text = String(decoding: rest[..<line.lowerBound], as: UTF8.self)
            guard let size = Int(text, radix: 16), rest[line.upperBound...].count >= size else {
                break
            }
            if size == 0 { return body }
            body += rest[line.upperBound...].prefix(size)
            rest = rest[line.upperBound...].dropFirst(size + 2)
        }
        throw ErrorReport(error: "the server's answer was cut")
    }
}

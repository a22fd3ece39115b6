internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import JobModel
internal import JobServer
internal import NIOCore

/// Events as server-sent ones (https://html.spec.whatwg.org/multipage/server-sent-events.html): the number is the `id`, the kind
/// the `event`, the report the `data`. The last one is `end`, which says whether all that was asked for has been told.
struct EventExchange: Sendable {
    private let jobs: JobServer
    private let selected: [JobID]
    private let follow: Bool
    private let since: Int64?

    /// `since=SEQ`, or the header by which browsers resume; `jobs=1,2`; `follow=true`.
    init(_ jobs: JobServer, _ request: Request) throws {
        self.jobs = jobs
        let query = request.uri.queryParameters
        follow = query.get("follow", as: Bool.self) ?? false
        selected = try (query["jobs"].map(String.init) ?? "").split(separator: ",").map { text in
            guard let id = Int64(text) else {
                throw ErrorReport(error: "jobs=\(text): job numbers stand there", isUsage: true)
            }
            return JobID(id)
        }
        since =
            HTTPField.Name("Last-Event-ID").flatMap { request.headers[$0] }.flatMap { Int64($0) }
            ?? query.get("since", as: Int64.self)
    }

    /// Without a number to begin after: all that is kept or, where all jobs are followed, what comes from now on.
    func response() async throws -> Response {
        let start: Int64 =
            if let since { since } else if follow, selected.isEmpty {
                try await jobs.lastEvent()
            } else { 0 }
        // What is wrong with the question is told in its stead.
        if !selected.isEmpty { for id in selected { _ = try await jobs.summary(id) } }
        return Response(
            status: .ok,
            headers: [.contentType: "text/event-stream", .cacheControl: "no-store"],
            body: ResponseBody { writer in
                var end = start
                // The answer begins before there is anything to tell: whoever reads this misses nothing from now on.
                if follow { try await writer.write(ByteBuffer(string: ": \(start)\n\n")) }
                while let page = try await jobs.events(after: end, of: selected, follow: follow) {
                    // The first page tells of a gap, and once is enough.
                    let events =
                        end == start ? page.events : page.events.filter { $0.kind != .compacted }
                    // A comment, as a browser's line needs it to stay open; it finds out who has gone, too.
                    let text =
                        events.isEmpty
                        ? ": \(page.end)\n\n" : try events.map(Self.frame).joined()
                    try await writer.write(ByteBuffer(string: text))
                    end = page.end
                }
                let isWhole = follow ? await jobs.isOver(selected) : true
                try await writer.write(
                    ByteBuffer(
                        string: "id: \(end)\nevent: end\ndata: {\"complete\":\(isWhole)}\n\n"))
                try await writer.finish(nil)
            })
    }

    private static func frame(_ event: EventReport) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let data = String(decoding: try encoder.encode(event), as: UTF8.self)
        return "id: \(event.sequence)\nevent: \(event.kind.rawValue)\ndata: \(data)\n\n"
    }
}

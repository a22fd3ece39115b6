internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import JobModel
internal import NIOCore

/// A value as the body of a successful answer.
struct JSONReply: ResponseGenerator {
    private let data: Data

    init(_ value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        data = try encoder.encode(value)
    }

    func response(from request: Request, context: some RequestContext) throws -> Response {
        Self.response(.ok, data)
    }

    /// Bytes of an answer that was made of many times as much.
    private static let large = 1 << 18

    static func response(_ status: HTTPResponse.Status, _ data: Data) -> Response {
        if data.count > large { HeapTrim.plan() }
        return Response(
            status: status, headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: data)))
    }
}

/// Every error leaves as an `ErrorReport`: those of the job server as they are, others by their text.
struct ErrorReports<Context: RequestContext>: RouterMiddleware {
    @concurrent
    func handle(
        _ request: Request, context: Context,
        next: @concurrent (Request, Context) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let report as ErrorReport {
            return Self.response(.badRequest, report)
        } catch let error as HTTPError {
            return Self.response(
                error.status, ErrorReport(error: error.body ?? error.status.reasonPhrase))
        } catch {
            return Self.response(.internalServerError, ErrorReport(error: "\(error)"))
        }
    }

    private static func response(_ status: HTTPResponse.Status, _ report: ErrorReport) -> Response {
        // Plain texts encode.
        JSONReply.response(status, (try? JSONEncoder().encode(report)) ?? Data())
    }
}

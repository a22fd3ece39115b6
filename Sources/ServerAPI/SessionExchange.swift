internal import Foundation
internal import Hummingbird
internal import JobModel
internal import JobServer
internal import NIOCore

/// One session in one exchange: the request's body carries what is typed, the answer's what the process says, both for as long as
/// it lasts. A body is a run of frames.
struct SessionExchange: Sendable {
    private let jobs: JobServer
    private let session: Int64

    init(_ jobs: JobServer, _ session: Int64) {
        self.jobs = jobs
        self.session = session
    }

    func response(to request: Request) async throws -> Response {
        guard let outputs = await jobs.outputs(ofSession: session) else {
            throw ErrorReport(error: "there is no session \(session)")
        }
        return Response(
            status: .ok, headers: [.contentType: "application/octet-stream"],
            body: ResponseBody { writer in
                let reading = Task { await read(request.body) }
                defer { reading.cancel() }
                do {
                    for await output in outputs {
                        try await writer.write(ByteBuffer(bytes: try SessionFrame.bytes(output)))
                    }
                } catch {
                    // The client has gone.
                    await jobs.closeSession(session)
                    throw error
                }
                try await writer.finish(nil)
            })
    }

    /// To its end, which is the client's.
    private func read(_ body: RequestBody) async {
        var frames = SessionFrame.Reader()
        do {
            for try await buffer in body {
                frames.append(buffer.readableBytesView)
                while let input = try frames.next(SessionInput.self) {
                    await jobs.tell(session: session, input)
                }
            }
        } catch {
            // Broken off, or not of our client: either way nobody is there any more.
        }
        await jobs.closeSession(session)
    }
}

/// A message of a session between client and server: the length of its JSON in four bytes, little-endian, and the JSON.
enum SessionFrame {
    /// Beyond this it is no message.
    static let largest = 1 << 20

    struct Malformed: Error {}

    static func bytes(_ message: some Encodable) throws -> [UInt8] {
        let json = try JSONEncoder().encode(message)
        return (0..<4).map { UInt8(truncatingIfNeeded: json.count >> (8 * $0)) } + json
    }

    struct Reader {
        private var bytes: [UInt8] = []

        mutating func append(_ more: some Sequence<UInt8>) { bytes += more }

        /// Nil where more bytes are needed.
        mutating func next<Message: Decodable>(_ type: Message.Type) throws -> Message? {
            guard bytes.count >= 4 else { return nil }
            let length = (0..<4).reduce(0) { $0 | Int(bytes[$1]) << (8 * $1) }
            guard length <= SessionFrame.largest else { throw Malformed() }
            guard bytes.count >= 4 + length else { return nil }
            defer { bytes.removeFirst(4 + length) }
            return try JSONDecoder().decode(type, from: Data(bytes[4..<4 + length]))
        }
    }
}

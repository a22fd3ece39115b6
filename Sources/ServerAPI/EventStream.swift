internal import Foundation
internal import Glibc
internal import JobModel
internal import LinuxSystem

/// The client's end of the events, one after the other. Blocks.
public final class EventStream {
    /// As the server wrote it.
    public struct Event: Sendable {
        public let sequence: Int64
        /// One line of JSON: an `EventReport`.
        public let json: String
    }

    private let socket: OwnedFD
    private var body = ChunkedBody()
    private var text: [UInt8] = []
    /// Whether everything that was asked for has come; nil before the end.
    public private(set) var isComplete: Bool?

    init(_ path: String, since: Int64?, jobs: [JobID], follow: Bool) throws {
        socket = try UnixSocket.connect(path, .stream)
        var query = "follow=\(follow)"
        if let since { query += "&since=\(since)" }
        if !jobs.isEmpty {
            query += "&jobs=" + jobs.map(\.description).joined(separator: ",")
        }
        let head =
            "GET \(ServerAPI.prefix)/events?\(query) HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
        try Files.writeAll(socket.raw, head.utf8, path)
    }

    /// The next event; nil at the end. Throws where the connection broke off.
    public func next() throws -> Event? {
        while isComplete == nil {
            if let end = text.firstRange(of: Array("\n\n".utf8)) {
                let frame = String(decoding: text[..<end.lowerBound], as: UTF8.self)
                text.removeFirst(end.upperBound)
                if let event = take(frame) { return event }
                continue
            }
            try receive()
        }
        return nil
    }

    private func take(_ frame: String) -> Event? {
        var fields: [Substring: Substring] = [:]
        for line in frame.split(separator: "\n") where !line.hasPrefix(":") {
            guard let colon = line.firstIndex(of: ":") else { continue }
            fields[line[..<colon]] = line[colon...].dropFirst(2)
        }
        guard let data = fields["data"], let id = fields["id"].flatMap({ Int64($0) }) else {
            return nil
        }
        if fields["event"] == "end" {
            isComplete = data.contains("true")
            return nil
        }
        return Event(sequence: id, json: String(data))
    }

    private func receive() throws {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let count = try checkErrno(read(socket.raw, &buffer, buffer.count), "read", "the server")
        guard count > 0 else { throw ServerGone() }
        text += try body.take(buffer[..<count])
    }
}

/// The body of an answer in chunks (RFC 9112), as it comes.
struct ChunkedBody {
    private var bytes: [UInt8] = []
    private var isHeadRead = false

    /// Throws the server's report where the answer is no success.
    mutating func take(_ more: some Sequence<UInt8>) throws -> [UInt8] {
        bytes += more
        guard try readHead() else { return [] }
        var body: [UInt8] = []
        while let line = bytes.firstRange(of: Array("\r\n".utf8)) {
            let text = String(decoding: bytes[..<line.lowerBound], as: UTF8.self)
            guard let size = Int(text, radix: 16) else { throw ServerGone() }
            guard bytes.count >= line.upperBound + size + 2 else { break }
            body += bytes[line.upperBound..<line.upperBound + size]
            bytes.removeFirst(line.upperBound + size + 2)
        }
        return body
    }

    private mutating func readHead() throws -> Bool {
        guard !isHeadRead else { return true }
        guard let end = bytes.firstRange(of: Array("\r\n\r\n".utf8)) else { return false }
        let head = String(decoding: bytes[..<end.lowerBound], as: UTF8.self)
        guard head.split(separator: " ").dropFirst().first == "200" else {
            let body = Data(bytes[end.upperBound...])
            throw (try? JSONDecoder().decode(ErrorReport.self, from: body))
                ?? ErrorReport(
                    error: "the server tells no events",
                    hint: "is it an older one? `martlet server stop`")
        }
        bytes.removeFirst(end.upperBound)
        isHeadRead = true
        return true
    }
}

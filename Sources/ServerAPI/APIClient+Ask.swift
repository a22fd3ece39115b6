internal import Foundation
internal import JobModel
internal import LinuxSystem

/// Questions, and servers that go away under them: one that is being killed takes connections until its last thread has ended,
/// and may end in the midst of an answer.
extension APIClient {
    func get<Reply: Decodable>(_ path: String) throws -> Reply {
        try persist { try exchange("GET", path, Data()) }
    }

    /// What changes nothing, or nothing more the second time: it is put to the next server where one has gone away.
    func ask<Reply: Decodable>(_ path: String, _ body: some Encodable) throws -> Reply {
        let data = try JSONEncoder().encode(body)
        return try persist { try exchange("POST", path, data) }
    }

    /// What changes something, and is not sent twice: whether a server that went away under it had done it nobody knows.
    func post<Reply: Decodable>(_ path: String, _ body: some Encodable) throws -> Reply {
        let data = try JSONEncoder().encode(body)
        let socket = try persist { Connected(try UnixSocket.connect(socketPath, .stream)) }
        return try exchange("POST", path, data, over: socket.descriptor.raw)
    }

    /// Tries again, with the next server, where one has gone away.
    private func persist<Result>(_ body: () throws -> Result) throws -> Result {
        var patience = patience
        while true {
            do { return try body() } catch {
                guard let revive, error is SystemError || error is ServerGone,
                    patience.bearsOneMore()
                else { throw error }
                try revive()
            }
        }
    }

    private final class Connected {
        let descriptor: OwnedFD
        init(_ descriptor: consuming OwnedFD) { self.descriptor = descriptor }
    }

    private func exchange<Reply: Decodable>(_ method: String, _ path: String, _ body: Data) throws
        -> Reply
    {
        let socket = try UnixSocket.connect(socketPath, .stream)
        return try exchange(method, path, body, over: socket.raw)
    }

    private func exchange<Reply: Decodable>(
        _ method: String, _ path: String, _ body: Data, over socket: Int32
    ) throws -> Reply {
        let head =
            "\(method) \(ServerAPI.prefix)\(path) HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: \(body.count)\r\n\r\n"
        try Files.writeAll(socket, Array(head.utf8) + body, socketPath)
        let (status, answer) = try HTTPAnswer.parse(
            try Files.read(socket, socketPath, limit: 1 << 31))
        guard status == 200 else {
            throw (try? JSONDecoder().decode(ErrorReport.self, from: answer))
                ?? ErrorReport(error: "the server answered \(status)")
        }
        return try JSONDecoder().decode(Reply.self, from: answer)
    }
}

/// The connection ended before the answer had come.
public struct ServerGone: Error, CustomStringConvertible {
    public let description = "the server ended without an answer"
    public let hint = "whether it had done it shows in `martlet ls`; then ask again"
}

/// RFC 9112, as far as our own server's answers go: a status line, headers, and a body of a length or in chunks.
enum HTTPAnswer {
    /// Throws `ServerGone` where it is not whole.
    static func parse(_ bytes: [UInt8]) throws -> (status: Int, body: Data) {
        guard let end = bytes.firstRange(of: Array("\r\n\r\n".utf8)) else { throw ServerGone() }
        let lines = String(decoding: bytes[..<end.lowerBound], as: UTF8.self)
            .components(separatedBy: "\r\n")
        guard let status = lines.first?.split(separator: " ").dropFirst().first.flatMap({ Int($0) })
        else {
            throw ErrorReport(error: "the server's answer is not HTTP")
        }
        let body = bytes[end.upperBound...]
        let headers = lines.map { $0.lowercased() }
        if headers.contains("transfer-encoding: chunked") {
            return (status, Data(try unchunked(body)))
        }
        let length = headers.first { $0.hasPrefix("content-length: ") }
            .flatMap { Int($0.dropFirst(16)) }
        if let length, body.count < length { throw ServerGone() }
        return (status, Data(body))
    }

    private static func unchunked(_ bytes: ArraySlice<UInt8>) throws -> ArraySlice<UInt8> {
        var rest = bytes
        var body: ArraySlice<UInt8> = []
        while let line = rest.firstRange(of: Array("\r\n".utf8)) {
            let text = String(decoding: rest[..<line.lowerBound], as: UTF8.self)
            guard let size = Int(text, radix: 16) else {
                throw ErrorReport(error: "the server's answer is not HTTP")
            }
            guard rest[line.upperBound...].count >= size else { break }
            if size == 0 { return body }
            body += rest[line.upperBound...].prefix(size)
            rest = rest[line.upperBound...].dropFirst(size + 2)
        }
        throw ServerGone()
    }
}

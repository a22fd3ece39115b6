import CLinux
import Foundation
import Registry
import Synchronization

/// A little HTTP/1.1 server that does what a test says, also what no good server does.
final class FakeRegistry: Sendable {
    struct Request: Sendable {
        var method: String
        /// With its query.
        var target: String
        var headers: [String: String]
        var body: [UInt8] = []
        /// Whether the connection is broken within the body.
        var isCut = false
        var path: String { String(target.prefix { $0 != "?" }) }
        /// First byte of a `Range` header; nil where there is none.
        var rangeStart: Int? {
            headers["range"].flatMap { Int($0.dropFirst("bytes=".count).prefix { $0 != "-" }) }
        }
        var rangeEnd: Int? { headers["range"].flatMap { Int($0.drop { $0 != "-" }.dropFirst()) } }
    }
    struct Answer: Sendable {
        var status = 200
        var headers: [(String, String)] = []
        var body: [UInt8] = []
        /// Whether the connection is broken within the body.
        var isCut = false
        /// Closes the connection after so many bytes of the body.
        var breaksAfter: Int?
        /// Waited for after the first byte of the body.
        var beforeRest: (@Sendable () -> Void)?

        static func blob(_ bytes: [UInt8], for request: Request) -> Answer {
            guard let start = request.rangeStart else { return Answer(body: bytes) }
            let end = min(request.rangeEnd ?? bytes.count - 1, bytes.count - 1)
            return Answer(
                status: 206, headers: [("Content-Range", "bytes \(start)-\(end)/\(bytes.count)")],
                body: Array(bytes[start...end]))
        }
    }
    typealias Script = @Sendable (Request, Int) -> Answer
    /// After how many bytes of a request's body its connection breaks; nil where it does not.
    typealias Cut = @Sendable (Request) -> Int?

    /// `127.0.0.1:port`.
    let host: String
    private let listener: Int32
    private let log = Mutex<[Request]>([])

    /// `script` gets each request and how many of the same method and path came before it.
    init(cut: @escaping Cut = { _ in nil }, _ script: @escaping Script) throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | 0o2000000, 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isUp = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && listen(listener, 64) == 0
                    && getsockname(listener, $0, &length) == 0
            }
        }
        guard isUp else { throw POSIXError(.EADDRNOTAVAIL) }
        self.listener = listener
        host = "127.0.0.1:\(UInt16(bigEndian: address.sin_port))"
        Thread.detachNewThread { [self] in
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { return }
                Thread.detachNewThread { self.serve(connection, cut, script) }
            }
        }
    }

    func close() { shutdown(listener, Int32(SHUT_RDWR)) }

    /// Every request so far.
    var requests: [Request] { log.withLock { $0 } }

    func requests(_ method: String, _ path: String) -> [Request] {
        requests.filter { $0.method == method && $0.path == path }
    }

    private func serve(_ connection: Int32, _ cut: Cut, _ script: Script) {
        defer { Glibc.close(connection) }
        var buffer: [UInt8] = []
        while let request = read(connection, &buffer, cut) {
            let before = log.withLock { log in
                defer { log.append(request) }
                return log.filter { $0.method == request.method && $0.path == request.path }.count
            }
            let answer = script(request, before)
            if request.isCut { return }
            var head = "HTTP/1.1 \(answer.status) X\r\n"
            let hasLength = answer.headers.contains { $0.0 == "Content-Length" }
            for (name, value) in answer.headers { head += "\(name): \(value)\r\n" }
            if !hasLength { head += "Content-Length: \(answer.body.count)\r\n" }
            head += "\r\n"
            let body =
                request.method == "HEAD"
                ? [] : Array(answer.body.prefix(answer.breaksAfter ?? .max))
            let first = answer.beforeRest == nil ? body.count : 1
            guard write(connection, Array(head.utf8) + body.prefix(first)) else { return }
            answer.beforeRest?()
            guard write(connection, Array(body.dropFirst(first))), answer.breaksAfter == nil else {
                return
            }
        }
    }

    private func write(_ connection: Int32, _ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                send(
                    connection, $0.baseAddress.map { $0 + sent }, bytes.count - sent,
                    Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    /// A whole request; its body has a length or there is none.
    private func read(_ connection: Int32, _ buffer: inout [UInt8], _ cut: Cut) -> Request? {
        let end = Array("\r\n\r\n".utf8)
        while true {
            // TLS (RFC 8446 §5.1: a handshake record) is nothing that it speaks.
            if buffer.first == 22 { return nil }
            if let found = buffer.firstRange(of: end) {
                let lines = String(decoding: buffer[..<found.lowerBound], as: UTF8.self).components(
                    separatedBy: "\r\n")
                buffer.removeSubrange(..<found.upperBound)
                let words = lines[0].split(separator: " ").map(String.init)
                guard words.count == 3 else { return nil }
                var headers: [String: String] = [:]
                for line in lines.dropFirst() {
                    let parts = line.split(separator: ":", maxSplits: 1).map {
                        $0.trimmingCharacters(in: .whitespaces)
                    }
                    if parts.count == 2 { headers[parts[0].lowercased()] = parts[1] }
                }
                var request = Request(method: words[0], target: words[1], headers: headers)
                let limit = cut(request)
                request.isCut = limit != nil
                let length = limit ?? headers["content-length"].flatMap { Int($0) } ?? 0
                while buffer.count < length {
                    guard receive(connection, &buffer) else { return nil }
                }
                request.body = Array(buffer.prefix(length))
                buffer.removeFirst(length)
                return request
            }
            guard receive(connection, &buffer) else { return nil }
        }
    }

    private func receive(_ connection: Int32, _ buffer: inout [UInt8]) -> Bool {
        var chunk = [UInt8](repeating: 0, count: 65_536)
        let count = recv(connection, &chunk, chunk.count, 0)
        guard count > 0 else { return false }
        buffer += chunk[..<count]
        return true
    }
}

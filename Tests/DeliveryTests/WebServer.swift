import Foundation
import LinuxSystem
import Synchronization
import Threads

/// A server on loopback that answers what a test says, one request a connection.
final class WebServer: Sendable {
    struct Request: Sendable {
        var method: String
        /// With its query.
        var path: String
        /// Names in lower case.
        var headers: [String: String]
        /// Whether a node's curl asks, and not the head.
        var isOfNode: Bool { headers["user-agent"] == "martlet" }
    }
    struct Answer: Sendable {
        var status = 200
        var headers: [String: String] = [:]
        var body: [UInt8] = []
        /// Ends after so many bytes of the body.
        var breaksAfter: Int?
        /// Waits then until the other side ends it.
        var stalls = false

        /// With the range that was asked for.
        init(_ blob: [UInt8], for request: Request) {
            let range = request.headers["range"]?.dropFirst("bytes=".count)
                .split(separator: "-").map { Int($0) }
            guard let range, let start = range.first ?? nil else {
                body = blob
                return
            }
            let end = min((range.count > 1 ? range[1] : nil) ?? .max, blob.count - 1)
            status = 206
            headers["Content-Range"] = "bytes \(start)-\(end)/\(blob.count)"
            body = Array(blob[start...end])
        }
        init(_ status: Int, _ headers: [String: String] = [:], _ text: String = "") {
            self.status = status
            self.headers = headers
            body = Array(text.utf8)
        }
    }

    /// `127.0.0.1:port`.
    let host: String
    private let listener: Int32
    private let log = Monitor<[Request]>([])
    private let asked = Monitor(false)
    private let script: @Sendable (Request) -> Answer

    init(_ script: @escaping @Sendable (Request) -> Answer) throws {
        self.script = script
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let (listener, log, asked) = (self.listener, self.log, self.asked)
        let isUp = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && listen(listener, 64) == 0
                    && getsockname(listener, $0, &length) == 0
            }
        }
        guard isUp else { throw SystemError.last("listen", "for a test") }
        host = "127.0.0.1:\(UInt16(bigEndian: address.sin_port))"
        _ = try WorkerThread("web") {
            while case let connection = accept(listener, nil, nil), connection >= 0 {
                _ = fcntl(connection, F_SETFD, FD_CLOEXEC)
                _ = try? WorkerThread("answer") {
                    Self.serve(connection, script, log, asked)
                    close(connection)
                }
            }
            close(listener)
        }
    }

    deinit { shutdown(listener, Int32(SHUT_RDWR)) }

    var requests: [Request] { log.quietly { $0 } }
    /// Of nodes.
    var fetches: [Request] { requests.filter(\.isOfNode) }
    /// Once a node has had an answer.
    func awaitFetch() { log.wait { $0.contains(where: \.isOfNode) ? true : nil } }
    /// Once one has asked.
    func awaitQuestion() { asked.wait { $0 ? true : nil } }

    private static func serve(
        _ connection: Int32, _ script: @Sendable (Request) -> Answer, _ log: Monitor<[Request]>,
        _ asked: Monitor<Bool>
    ) {
        guard let request = read(connection) else { return }
        if request.isOfNode { asked.withLock { $0 = true } }
        let answer = script(request)
        log.withLock { $0.append(request) }
        var head = "HTTP/1.1 \(answer.status) X\r\nConnection: close\r\n"
        for (name, value) in answer.headers { head += "\(name): \(value)\r\n" }
        head += "Content-Length: \(answer.body.count)\r\n\r\n"
        let body =
            request.method == "HEAD" ? [] : answer.body.prefix(answer.breaksAfter ?? .max)
        guard (try? Files.writeAll(connection, Array(head.utf8) + body, "a client")) != nil,
            answer.stalls
        else { return }
        var byte: UInt8 = 0
        _ = Glibc.read(connection, &byte, 1)
    }

    private static func read(_ connection: Int32) -> Request? {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while bytes.suffix(4) != [13, 10, 13, 10] {
            let count = Glibc.read(connection, &buffer, buffer.count)
            // RFC 8446 §5.1: a handshake of TLS, which is not spoken here.
            guard count > 0, bytes.first ?? buffer[0] != 22 else { return nil }
            bytes += buffer[..<count]
        }
        let lines = String(decoding: bytes, as: UTF8.self).components(separatedBy: "\r\n")
        let words = lines[0].split(separator: " ").map(String.init)
        guard words.count == 3 else { return nil }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { continue }
            headers[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces)
        }
        return Request(method: words[0], path: words[1], headers: headers)
    }
}

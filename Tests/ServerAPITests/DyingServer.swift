import Foundation
import Glibc
import LinuxSystem
import Threads

/// Takes one connection after the other, and does with each what it is told to; after the last it listens no more.
final class DyingServer: Sendable {
    enum Act: Sendable {
        /// As a killed process does whose socket still took the connection.
        case hangUp
        /// As one that is killed in the midst of its answer.
        case cut(String)
        case answer(String)
    }

    let path: String
    private let questions = Monitor<[String]>([])
    /// First lines of what was asked, in their order.
    var asked: [String] { questions.withLock { $0 } }

    init(_ path: String) {
        self.path = path
        // As the command line has it: a server that has gone is found by the write that fails.
        signal(SIGPIPE, SIG_IGN)
    }

    /// Listens when it returns.
    func serve(_ acts: [Act]) throws {
        let listener = try UnixSocket.listen(path, .stream).release()
        _ = try WorkerThread("dying server") { [self] in
            for act in acts { serve(listener, act) }
            unlink(path)
            close(listener)
        }
    }

    private func serve(_ listener: Int32, _ act: Act) {
        let socket = accept(listener, nil, nil)
        guard socket >= 0 else { return }
        defer { close(socket) }
        if case .hangUp = act { return }
        guard let question = question(socket) else { return }
        questions.withLock { $0.append(question) }
        switch act {
        case .hangUp: return
        // A client that has gone is none to answer.
        case .cut(let text), .answer(let text):
            try? Files.writeAll(socket, text.utf8, "a client")
        }
    }

    /// Read to the end of its body, which closes with a bracket where there is one.
    private func question(_ socket: Int32) -> String? {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let text = String(decoding: bytes, as: UTF8.self)
            if let end = text.range(of: "\r\n\r\n") {
                let length =
                    text[..<end.lowerBound].split(separator: "\r\n")
                    .first { $0.hasPrefix("content-length: ") }.flatMap { Int($0.dropFirst(16)) }
                if text[end.upperBound...].utf8.count >= length ?? 0 {
                    return text.split(separator: "\r\n").first.map(String.init)
                }
            }
            let count = read(socket, &buffer, buffer.count)
            guard count > 0 else { return nil }
            bytes += buffer[..<count]
        }
    }
}

internal import Foundation
internal import Glibc
public import JobModel
internal import LinuxSystem

/// The client's end of one session: the two bodies of one HTTP exchange, RFC 9112, both in chunks.
public final class SessionStream {
    private let socket: OwnedFD
    private var frames = SessionFrame.Reader()
    private var bytes: [UInt8] = []
    private var isHeadRead = false
    private var isEnded = false

    /// To be watched for reading; then call `receive`.
    public var fileDescriptor: Int32 { socket.raw }

    init(_ path: String, session: Int64) throws {
        socket = try UnixSocket.connect(path, .stream)
        let head =
            "POST \(ServerAPI.prefix)/sessions/\(session) HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/octet-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        try Files.writeAll(socket.raw, head.utf8, path)
    }

    /// Blocks for moments only: the server reads all that it has granted room for. Throws where it has gone.
    public func send(_ input: SessionInput) throws {
        let frame = try SessionFrame.bytes(input)
        let size = Array("\(String(frame.count, radix: 16))\r\n".utf8)
        try Files.writeAll(socket.raw, size + frame + Array("\r\n".utf8), "the server")
    }

    /// What has come; nil at the end. Blocks where nothing waits. Throws where the connection broke off.
    public func receive() throws -> [SessionOutput]? {
        guard !isEnded else { return nil }
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let count = try checkErrno(read(socket.raw, &buffer, buffer.count), "read", "the server")
        guard count > 0 else { throw ServerGone() }
        bytes += buffer[..<count]
        guard try readHead() else { return [] }
        try readChunks()
        var outputs: [SessionOutput] = []
        while let output = try frames.next(SessionOutput.self) { outputs.append(output) }
        return isEnded && outputs.isEmpty ? nil : outputs
    }

    private func readHead() throws -> Bool {
        guard !isHeadRead else { return true }
        guard let end = bytes.firstRange(of: Array("\r\n\r\n".utf8)) else { return false }
        let head = String(decoding: bytes[..<end.lowerBound], as: UTF8.self)
        guard head.split(separator: " ").dropFirst().first == "200" else {
            throw ErrorReport(error: "the server has closed the session")
        }
        bytes.removeFirst(end.upperBound)
        isHeadRead = true
        return true
    }

    private func readChunks() throws {
        while let line = bytes.firstRange(of: Array("\r\n".utf8)) {
            let text = String(decoding: bytes[..<line.lowerBound], as: UTF8.self)
            guard let size = Int(text, radix: 16) else { throw SessionFrame.Malformed() }
            guard bytes.count >= line.upperBound + size + 2 else { return }
            frames.append(bytes[line.upperBound..<line.upperBound + size])
            bytes.removeFirst(line.upperBound + size + 2)
            if size == 0 {
                isEnded = true
                return
            }
        }
    }
}

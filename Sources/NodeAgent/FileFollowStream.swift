internal import Glibc
internal import LinuxSystem
internal import NodeLink

/// Sends what an attempt writes to a file while it writes it, looked at some times a second; ends when the attempt has ended and all
/// is sent.
final class FileFollowStream: AgentStream {
    /// Milliseconds between two looks: a person does not notice.
    private static let interval: Int64 = 200

    private let loop: EventLoop
    private let directory: String
    private let path: String
    private let isLive: () -> Bool
    private var offset: Int64
    private var file: Int32?
    private var port: StreamPort?
    private var timer: UInt64?

    init(
        _ follow: FileFollow, in directory: String, _ loop: EventLoop, isLive: @escaping () -> Bool
    ) {
        self.loop = loop
        self.directory = directory
        path = follow.path
        offset = follow.offset
        self.isLive = isLive
    }

    deinit { close() }

    func begin(_ port: StreamPort) { self.port = port }

    func next(_ limit: Int) -> StreamPiece {
        // Asked before the file is read: what it wrote last is not missed.
        let isLive = isLive()
        do throws(SystemError) {
            guard let file = try openFile() else { return isLive ? later() : .end(nil) }
            let bytes = try KeptAttempt.read(file, limit, at: offset, path)
            if bytes.isEmpty {
                try checkLength(file)
                return isLive ? later() : .end(nil)
            }
            offset += Int64(bytes.count)
            return .bytes(bytes)
        } catch { return .end("\(path): \(error.hint ?? SystemError.text(error.errno))") }
    }

    func headEnded(_ reason: String?) {}

    func close() {
        if let timer { loop.cancel(timer) }
        if let file { Glibc.close(file) }
        (timer, file) = (nil, nil)
    }

    /// Nil where it is not there yet.
    private func openFile() throws(SystemError) -> Int32? {
        if let file { return file }
        do throws(SystemError) {
            file = try KeptAttempt(directory).open(path).release()
            return file
        } catch {
            if error.errno == ENOENT { return nil }
            throw error
        }
    }

    private func checkLength(_ file: Int32) throws(SystemError) {
        var status = stat()
        try checkErrno(fstat(file, &status), "stat", path)
        guard status.st_size >= offset else {
            throw SystemError("read", path, errno: EINVAL, hint: "it has become shorter")
        }
    }

    private func later() -> StreamPiece {
        if timer == nil {
            timer = loop.after(Self.interval) { [weak self] in
                self?.timer = nil
                self?.port?.wake()
            }
        }
        return .later
    }
}

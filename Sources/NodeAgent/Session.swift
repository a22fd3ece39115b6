internal import ContainerRuntime
internal import FoundationEssentials
internal import Glibc
internal import JobModel
internal import LinuxSystem

/// Somebody sits at a process on this node: its stdin, stdout and stderr on one side, messages on the other. Holds no more than
/// a window of bytes in either direction; what does not fit stays in the process's own pipe or terminal, and the process waits.
final class Session {
    /// An output of the process, and the log file that it goes into as well.
    struct Source {
        let stream: SessionOutput.Stream
        let fd: Int32
        let log: Int32?
        fileprivate var isWatched = false

        init(_ stream: SessionOutput.Stream, _ fd: Int32, log: Int32? = nil) {
            self.stream = stream
            self.fd = fd
            self.log = log
        }
    }

    private enum Attendance {
        /// Nobody has come yet: outputs wait.
        case awaited
        case present((SessionOutput) -> Void)
        /// Outputs go into their logs alone.
        case gone
    }

    private let loop: EventLoop
    /// It is a connection, not a process: there is nothing to wait for once its output has ended.
    private let endsWithOutput: Bool
    private let onEnd: () -> Void
    private var attendance = Attendance.awaited
    private var sources: [Source] = []
    private var sink: Int32?
    private var isSinkWatched = false
    /// The near end of the process's terminal, to be resized.
    private var terminal: Int32?
    private var size: WindowSize?
    /// Bytes of input that the process has not taken yet.
    private var input: [UInt8] = []
    /// Bytes of input that it has taken since the last grant.
    private var taken = 0
    private var isInputEnded = false
    /// Bytes of output that may still be told.
    private var granted = SessionWindow.size
    /// Output that was read when the process had ended, and is not told yet.
    private var rest: [(stream: SessionOutput.Stream, bytes: ArraySlice<UInt8>)] = []
    private var end: ExitStatus?
    private var isOver = false

    /// `onEnd` is called once, when all has been told or nobody is left to tell.
    init(_ loop: EventLoop, endsWithOutput: Bool = false, onEnd: @escaping () -> Void) {
        self.loop = loop
        self.endsWithOutput = endsWithOutput
        self.onEnd = onEnd
    }

    var isAwaited: Bool { if case .awaited = attendance { true } else { false } }

    /// Takes the near ends of the process's pipes, and the logs.
    func connect(input: Int32?, _ outputs: [Source]) {
        (sink, sources) = (input, outputs)
        for fd in outputs.map(\.fd) + (input.map { [$0] } ?? []) {
            _ = fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK)
        }
        if isOver { return closeAll() }
        // What came before there was a place for it.
        writeInput()
        pump()
    }

    /// Takes the near end of the process's terminal, and the log.
    func connect(terminal near: consuming OwnedFD, log: Int32?) {
        // Written to by a descriptor of its own: each can be watched for itself.
        let writer = try? near.duplicate()
        terminal = near.raw
        if let size { resize(size) }
        connect(input: writer?.release(), [Source(.stdout, near.release(), log: log)])
    }

    /// Somebody has come.
    func open(_ tell: @escaping (SessionOutput) -> Void) {
        attendance = .present(tell)
        tell(.opened)
        pump()
    }

    private func tell(_ message: SessionOutput) {
        if case .present(let tell) = attendance { tell(message) }
    }

    // MARK: From whoever sits there

    func take(_ message: SessionInput) {
        switch message {
        case .bytes(let data):
            // More than was granted comes from no client of ours.
            guard !isInputEnded, input.count + data.count <= SessionWindow.size else { return }
            input += data
            writeInput()
        case .end:
            isInputEnded = true
            writeInput()
        case .resize(let size):
            self.size = size
            resize(size)
        case .grant(let count):
            granted = min(SessionWindow.size, granted + max(0, count))
            pump()
        case .hangUp: hangUp()
        }
    }

    private func resize(_ size: WindowSize) {
        guard let terminal else { return }
        // It may have just been hung up.
        try? TerminalSize(rows: size.rows, columns: size.columns).apply(to: terminal)
    }

    private func writeInput() {
        guard let sink else { return }
        var written = 0
        while written < input.count {
            let count = input.withUnsafeBytes {
                write(sink, $0.baseAddress.map { $0 + written }, $0.count - written)
            }
            if count > 0 {
                written += count
            } else if errno == EAGAIN {
                break
            } else if errno != EINTR {
                // Nobody reads any more: the rest is for nobody, as in a shell's pipe.
                written = input.count
            }
        }
        input.removeFirst(written)
        taken += written
        if taken >= SessionWindow.size / 4 {
            tell(.grant(taken))
            taken = 0
        }
        watchSink(!input.isEmpty)
        // A terminal has no end; who wants to tell one types it.
        guard input.isEmpty, isInputEnded, terminal == nil else { return }
        // A connection's other descriptor keeps it open; of a pipe this is none of the kernel's business.
        shutdown(sink, Int32(SHUT_WR))
        Glibc.close(sink)
        self.sink = nil
    }

    private func watchSink(_ isWanted: Bool) {
        guard let sink, isWanted != isSinkWatched else { return }
        isSinkWatched = isWanted
        guard isWanted else { return loop.forget(sink) }
        // Where it cannot be watched, the next input tries again.
        try? loop.watch(sink, for: .write) { [unowned self] _ in self.writeInput() }
    }

    // MARK: From the process

    private var mayRead: Bool {
        guard end == nil, !isOver else { return false }
        return switch attendance {
        case .awaited: false
        case .present: granted > 0
        case .gone: true
        }
    }

    /// Passes on what is there, as far as is granted.
    private func pump() {
        tellRest()
        for source in sources where mayRead {
            guard let bytes = read(source, min(granted, SessionWindow.chunk)) else { continue }
            pass(source.stream, bytes)
        }
        // A descriptor that is watched for nothing would still wake the loop when its far end goes.
        for place in sources.indices { watch(place, mayRead) }
        if endsWithOutput, sources.isEmpty { finish(.code(0)) }
    }

    private func pass(_ stream: SessionOutput.Stream, _ bytes: [UInt8]) {
        guard case .present(let tell) = attendance else { return }
        granted -= bytes.count
        tell(.bytes(stream, Data(bytes)))
    }

    private func watch(_ place: Int, _ isWanted: Bool) {
        guard sources[place].isWatched != isWanted else { return }
        sources[place].isWatched = isWanted
        let fd = sources[place].fd
        guard isWanted else { return loop.forget(fd) }
        // Where it cannot be watched, the process's end is still told.
        try? loop.watch(fd, for: .read) { [unowned self] _ in self.pump() }
    }

    /// Nil where nothing is there now. An output that has ended is closed: read(2) gives nothing from a pipe then, and EIO
    /// from a terminal.
    private func read(_ source: Source, _ most: Int) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: most)
        while true {
            let count = Glibc.read(source.fd, &buffer, most)
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN { return nil }
            guard count > 0 else {
                drop(source)
                return nil
            }
            let bytes = Array(buffer[..<count])
            // A full disk is not the fault of whoever sits there.
            if let log = source.log { try? Files.writeAll(log, bytes, "log") }
            return bytes
        }
    }

    private func drop(_ source: Source) {
        sources.removeAll { $0.fd == source.fd }
        if terminal == source.fd { terminal = sink }
        loop.forget(source.fd)
        Glibc.close(source.fd)
        if let log = source.log { Glibc.close(log) }
    }

    /// Bytes beyond which what others still write after the process's end is left.
    private static let mostAfterEnd = 1 << 20

    /// The process has ended: what it wrote is read at once, so that its logs are whole, and told as far as is granted.
    func finish(_ status: ExitStatus) {
        guard !isOver, end == nil else { return }
        var left = Self.mostAfterEnd
        for source in sources {
            while left > 0, let bytes = read(source, SessionWindow.chunk) {
                left -= bytes.count
                rest.append((source.stream, bytes[...]))
            }
        }
        end = status
        switch attendance {
        case .gone: close()
        case .awaited, .present: pump()
        }
    }

    private func tellRest() {
        guard let end, !isOver, case .present(let tell) = attendance else { return }
        while granted > 0, let (stream, bytes) = rest.first {
            let part = bytes.prefix(min(granted, SessionWindow.chunk))
            rest[0].bytes = bytes.dropFirst(part.count)
            if rest[0].bytes.isEmpty { rest.removeFirst() }
            pass(stream, Array(part))
        }
        guard rest.isEmpty else { return }
        tell(.ended(end))
        close()
    }

    /// Whoever sat there has gone. A terminal is taken away, which the kernel tells those at its far end; input ends; what a task
    /// writes into pipes goes on into its logs.
    func hangUp() {
        guard !isOver else { return }
        attendance = .gone
        guard end == nil, terminal == nil, sources.contains(where: { $0.log != nil }) else {
            return close()
        }
        (input, isInputEnded) = ([], true)
        writeInput()
        pump()
    }

    func close() {
        guard !isOver else { return }
        isOver = true
        closeAll()
        onEnd()
    }

    private func closeAll() {
        for source in sources { drop(source) }
        if let sink {
            loop.forget(sink)
            Glibc.close(sink)
        }
        (sink, terminal, input, rest) = (nil, nil, [], [])
    }
}

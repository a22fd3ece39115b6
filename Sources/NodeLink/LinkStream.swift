internal import Glibc
internal import LinuxSystem

/// The bytes of one connection, on the head's side: what is left to write, what has come, and whether the peer still lives.
struct LinkStream {
    private let socket: Int32
    private let errors: Int32?
    private var reader = FrameReader()
    private var unsent: ArraySlice<UInt8> = []
    /// Most of what was written has been read at the other end of the socket: unix(7) calls one writable where no more than a quarter
    /// of its buffer is taken.
    private var hasRoom = false
    private var lastSaid = Clock.monotonic()
    private var lastHeard = Clock.monotonic()
    /// The end of what a transport's program said on stderr.
    private var complaint: [UInt8] = []
    private var buffer = [UInt8](repeating: 0, count: 1 << 16)

    /// The descriptors stay the caller's.
    /// - Parameter come: what has been read of the stream already.
    init(_ socket: Int32, errors: Int32?, come: [UInt8] = []) {
        self.socket = socket
        self.errors = errors
        reader.append(come)
    }

    var isFlushed: Bool { unsent.isEmpty }

    /// Bytes that can wait may be written: whatever comes to be said next is not far behind them.
    var takesBulk: Bool { unsent.isEmpty && hasRoom }

    /// True once an interval: the caller queues a heartbeat then.
    mutating func shouldBeat() -> Bool {
        let now = Clock.monotonic()
        guard now - lastSaid >= Heartbeat.interval else { return false }
        lastSaid = now
        return true
    }

    func setNonBlocking() throws(SystemError) {
        let flags = try checkErrno(fcntl(socket, F_GETFL), "fcntl(F_GETFL)")
        try checkErrno(fcntl(socket, F_SETFL, flags | O_NONBLOCK), "fcntl(F_SETFL)")
    }

    /// Writes as much as the socket takes, of what waits and then of what `more` gives until that is nothing.
    mutating func flush(_ more: () -> [UInt8]) throws {
        while true {
            if unsent.isEmpty { unsent = more()[...] }
            guard !unsent.isEmpty else { return }
            do throws(SystemError) {
                guard let sent = try UnixSocket.send(socket, Array(unsent.prefix(1 << 18))) else {
                    return
                }
                unsent = unsent.dropFirst(sent)
            } catch { throw ended("\(error)") }
            lastSaid = Clock.monotonic()
        }
    }

    mutating func write(_ bytes: [UInt8]) throws {
        hasRoom = false
        var bytes = bytes
        try flush {
            defer { bytes = [] }
            return bytes
        }
    }

    /// Waits until there is something to read (true), or to write, or `wake` is ready, or a heartbeat is due; `withBulk` until the
    /// socket has room for bytes that can wait, too.
    mutating func wait(or wake: Int32, withBulk: Bool) -> Bool {
        let now = Clock.monotonic()
        let next = min(lastSaid + Heartbeat.interval, lastHeard + Heartbeat.patience)
        var pollers = [
            pollfd(
                fd: socket,
                events: Int16(POLLIN) | (unsent.isEmpty && !withBulk ? 0 : Int16(POLLOUT)),
                revents: 0),
            pollfd(fd: wake, events: Int16(POLLIN), revents: 0),
            pollfd(fd: errors ?? -1, events: Int16(POLLIN), revents: 0),
        ]
        _ = poll(&pollers, 3, Int32(clamping: max(0, next - now)))
        if pollers[2].revents != 0 { listenToComplaint() }
        hasRoom = pollers[0].revents & Int16(POLLOUT) != 0
        return pollers[0].revents & Int16(POLLIN | POLLHUP | POLLERR) != 0
    }

    /// Called where nothing came: a peer that has been silent for too long is behind a broken link.
    mutating func checkAlive() throws(LinkError) {
        let silence = Clock.monotonic() - lastHeard
        guard silence < Heartbeat.patience else {
            throw ended("nothing came for \(silence / 1000) s")
        }
    }

    /// What has come, as whole frames; throws at the end of the connection.
    mutating func receive() throws -> [Frame] {
        var frames: [Frame] = []
        // What came along with a greeting is there before anything is read.
        while let frame = try reader.next() { frames.append(frame) }
        // Not for as long as something comes: there is something to say in between.
        for _ in 0..<Self.rounds {
            guard let count = try read() else { break }
            guard count > 0 else {
                // What came before it counts; the end comes again.
                if !frames.isEmpty { break }
                throw ended("the agent has gone")
            }
            lastHeard = Clock.monotonic()
            reader.append(buffer[..<count])
            while let frame = try reader.next() { frames.append(frame) }
            if count < buffer.count { break }
        }
        return frames
    }

    /// Reads of 64 KiB in a row.
    private static let rounds = 4

    /// Bytes put into `buffer`, 0 at the end; nil where nothing waits.
    private mutating func read() throws(LinkError) -> Int? {
        do throws(SystemError) {
            return try UnixSocket.receive(socket, into: &buffer)?.count
        } catch { throw ended("\(error)") }
    }

    private mutating func ended(_ what: String) -> LinkError {
        listenToComplaint()
        return LinkError(what, words: String(decoding: complaint, as: UTF8.self))
    }

    private mutating func listenToComplaint() {
        guard let errors else { return }
        var chunk = [UInt8](repeating: 0, count: 1024)
        // Nothing more to hear is the end of it.
        while let got = try? UnixSocket.receive(errors, into: &chunk), got.count > 0 {
            complaint = (complaint + chunk[..<got.count]).suffix(2048)
        }
    }
}

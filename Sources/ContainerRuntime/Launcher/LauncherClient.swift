internal import CLinux
internal import Glibc
public import LinuxSystem

/// The agent's end of its launcher. Never blocks: watch `fileDescriptor` for reading and call `receive`.
public final class LauncherClient {
    private let socket: OwnedFD
    private var buffer = [UInt8](repeating: 0, count: 1 << 18)
    /// Messages beyond this travel in a memory file: a datagram must fit the socket's buffer.
    static let largestDatagram = 64 << 10

    public var fileDescriptor: Int32 { socket.raw }

    /// Throws ECONNREFUSED or ENOENT where no launcher listens.
    public init(connectingTo path: String) throws(SystemError) {
        socket = try UnixSocket.connect(path, .messages)
        guard try UnixSocket.isSameUser(socket.raw) else {
            throw SystemError("trust", path, errno: EPERM)
        }
    }

    /// Requests for which the launcher's queue has had no room yet, in order.
    private var waiting: [LauncherRequest] = []

    /// True while the launcher's queue is full: watch `fileDescriptor` for writing, too, and then call `flush`.
    public var isCongested: Bool { !waiting.isEmpty }

    /// Starts a container; the descriptors stay the caller's. False, and nothing sent, where the launcher's queue is full.
    public func start(
        id: String, _ spec: ContainerSpec, _ rule: StopRule, stdout: Int32, stderr: Int32,
        stdin: Int32? = nil
    ) throws(SystemError) -> Bool {
        try send(.start(id: id, spec, rule), [stdout, stderr] + (stdin.map { [$0] } ?? []))
    }

    /// Sets a container up ahead of its time, for launchers whose hello says that they know it; else as `start`.
    public func prepare(
        id: String, _ spec: ContainerSpec, _ rule: StopRule, stdout: Int32, stderr: Int32
    ) throws(SystemError) -> Bool {
        try send(.prepare(id: id, spec, rule), [stdout, stderr])
    }
    public func release(id: String, _ rule: StopRule) throws(SystemError) {
        try send(.release(id: id, rule))
    }
    public func discard(id: String) throws(SystemError) { try send(.discard(id: id)) }

    /// Puts a process into a running container, with its stdin, stdout and stderr, or without any where it gets a terminal; the
    /// descriptors stay the caller's. False, and nothing sent, where the launcher's queue is full.
    public func exec(id: String, in container: String, _ spec: ExecSpec, _ stdio: [Int32])
        throws(SystemError) -> Bool
    {
        try send(.exec(id: id, container: container, spec), stdio)
    }
    public func hangUp(id: String) throws(SystemError) { try send(.hangUp(id: id)) }

    private func send(_ request: LauncherRequest, _ descriptors: [Int32])
        throws(SystemError) -> Bool
    {
        guard try flush() else { return false }
        try LauncherWire.send(socket.raw, request.bytes, descriptors)
        return true
    }

    public func stop(id: String) throws(SystemError) { try send(.stop(id: id)) }
    // For launchers whose hello says that they know these.
    public func pause(id: String) throws(SystemError) { try send(.pause(id: id)) }
    public func resume(id: String) throws(SystemError) { try send(.resume(id: id)) }
    public func limit(id: String, _ limit: Int64?) throws(SystemError) {
        try send(.limit(id: id, limit))
    }
    public func acknowledge(_ ids: [String]) throws(SystemError) {
        for start in stride(from: 0, to: ids.count, by: 1000) {
            try send(.acknowledge(Array(ids[start..<min(start + 1000, ids.count)])))
        }
    }
    public func shutdown() throws(SystemError) { try send(.shutdown) }

    private func send(_ request: LauncherRequest) throws(SystemError) {
        waiting.append(request)
        _ = try flush()
    }

    /// Sends what waits, as far as there is room; true where there is room for more.
    public func flush() throws(SystemError) -> Bool {
        while isReady(Int16(POLLOUT)) {
            guard let request = waiting.first else { return true }
            try LauncherWire.send(socket.raw, request.bytes)
            waiting.removeFirst()
        }
        return false
    }

    /// Whether `receive` would not block.
    public var hasMessage: Bool { isReady(Int16(POLLIN)) }

    /// poll(2) now. A socket of this kind that polls writable takes a whole message: three quarters of its buffer are free.
    private func isReady(_ events: Int16) -> Bool {
        var poller = pollfd(fd: socket.raw, events: events, revents: 0)
        return poll(&poller, 1, 0) > 0
    }

    /// The next message; nil where the launcher has gone. Blocks where none waits.
    /// A descriptor that came along (the writable layer of an ended container, a terminal) belongs to the caller.
    public func receive() throws(SystemError) -> (event: LauncherEvent, descriptor: Int32?)? {
        guard let (bytes, descriptors) = try LauncherWire.receive(socket.raw, &buffer) else {
            return nil
        }
        // The decoder's error says nothing beyond what is thrown here.
        guard let event = try? LauncherEvent(bytes) else {
            for fd in descriptors { close(fd) }
            throw SystemError("read", "launcher message", errno: EBADMSG)
        }
        for fd in descriptors.dropFirst() { close(fd) }
        return (event, descriptors.first)
    }
}

/// One message in one datagram, or, where it is large, in a memory file whose descriptor comes last.
enum LauncherWire {
    static func send(_ socket: Int32, _ bytes: [UInt8], _ descriptors: [Int32] = [])
        throws(SystemError)
    {
        if bytes.count + 1 <= LauncherClient.largestDatagram {
            _ = try UnixSocket.send(socket, [0] + bytes, descriptors: descriptors)
            return
        }
        let memory = try OwnedFD(checking: cl_memfd("message"), "memfd_create")
        try Files.writeAll(memory.raw, bytes, "message")
        try checkErrno(lseek(memory.raw, 0, SEEK_SET), "lseek")
        _ = try UnixSocket.send(socket, [1], descriptors: descriptors + [memory.raw])
    }

    /// Nil at the end of the connection.
    static func receive(
        _ socket: Int32, _ buffer: inout [UInt8]
    ) throws(SystemError) -> (bytes: ArraySlice<UInt8>, descriptors: [Int32])? {
        guard let (count, received) = try UnixSocket.receive(socket, into: &buffer), count > 0
        else { return nil }
        var descriptors = received
        guard buffer[0] == 1, let last = descriptors.popLast() else {
            return (buffer[1..<count], descriptors)
        }
        let memory = OwnedFD(last)
        return (try Files.read(memory.raw, "message", limit: 1 << 26)[...], descriptors)
    }
}

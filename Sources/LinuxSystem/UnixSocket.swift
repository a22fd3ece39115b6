internal import CLinux
internal import Glibc

/// Sockets of one machine and one user.
public enum UnixSocket {
    public enum Kind: Sendable {
        case stream
        /// Whole messages, in order: SOCK_SEQPACKET.
        case messages
        var type: Int32 { Int32(self == .stream ? SOCK_STREAM.rawValue : SOCK_SEQPACKET.rawValue) }
    }

    /// The directory must let nobody else in: `Files.makePrivateDirectory`. A socket left by a dead process is replaced;
    /// the caller holds the lock that says it is dead.
    public static func listen(_ path: String, _ kind: Kind) throws(SystemError) -> OwnedFD {
        unlink(path)
        return try OwnedFD(checking: cl_unix_listen(path, kind.type, 64), "listen", path)
    }

    public static func connect(_ path: String, _ kind: Kind) throws(SystemError) -> OwnedFD {
        try OwnedFD(checking: cl_unix_connect(path, kind.type), "connect", path)
    }

    /// At a path that may be longer than a socket's address can be (unix(7): 107 bytes).
    public static func listen(anywhere path: String, _ kind: Kind) throws(SystemError) -> OwnedFD {
        try atBriefPath(path) { brief throws(SystemError) in try listen(brief, kind) }
    }

    public static func connect(anywhere path: String, _ kind: Kind) throws(SystemError) -> OwnedFD {
        try atBriefPath(path) { brief throws(SystemError) in try connect(brief, kind) }
    }

    private static func atBriefPath(
        _ path: String, _ body: (String) throws(SystemError) -> OwnedFD
    ) throws(SystemError) -> OwnedFD {
        let (parent, name) = RootedPath.split(path)
        let directory = try OwnedFD.open(parent, RootedPath.openPath | O_DIRECTORY).release()
        defer { close(directory) }
        return try body("/proc/self/fd/\(directory)/\(name)")
    }

    /// The next connection of this same user, or nil where none waits. Others are refused, root excepted.
    public static func accept(_ listener: Int32) throws(SystemError) -> OwnedFD? {
        let raw = cl_accept(listener)
        if [-EAGAIN, -ECONNABORTED, -EINTR].contains(raw) { return nil }
        let fd = try OwnedFD(checking: raw, "accept")
        guard try isSameUser(fd.raw) else { return nil }
        return fd
    }

    /// SO_PEERCRED, unix(7): who was at the other end when it connected.
    public static func isSameUser(_ fd: Int32) throws(SystemError) -> Bool {
        var (pid, uid): (pid_t, uid_t) = (0, 0)
        try check(cl_peer(fd, &pid, &uid), "getsockopt(SO_PEERCRED)")
        return uid == geteuid() || uid == 0
    }

    /// Two connected ends.
    public struct Pair: ~Copyable {
        public let first: OwnedFD
        public let second: OwnedFD

        /// Gives both ends away: the caller closes them.
        public consuming func release() -> (first: Int32, second: Int32) {
            (first.release(), second.release())
        }
    }

    public static func pair(_ kind: Kind) throws(SystemError) -> Pair {
        var ends: [Int32] = [-1, -1]
        let type = kind.type | Int32(SOCK_CLOEXEC.rawValue)
        try checkErrno(socketpair(AF_UNIX, type, 0, &ends), "socketpair")
        return Pair(first: OwnedFD(ends[0]), second: OwnedFD(ends[1]))
    }

    /// Sends bytes, whole for messages, with up to 8 descriptors; returns nil where the socket is full.
    public static func send(_ fd: Int32, _ bytes: [UInt8], descriptors: [Int32] = [])
        throws(SystemError) -> Int?
    {
        let sent = bytes.withUnsafeBytes {
            cl_send(fd, $0.baseAddress, $0.count, descriptors, descriptors.count)
        }
        if sent == -Int(EAGAIN) { return nil }
        return try check(sent, "send")
    }

    /// Receives into `buffer`; the descriptors that came along belong to the caller. Nil where nothing waits; 0 bytes at the end.
    public static func receive(
        _ fd: Int32, into buffer: inout [UInt8]
    ) throws(SystemError) -> (count: Int, descriptors: [Int32])? {
        var descriptors = [Int32](repeating: -1, count: 8)
        var count = 0
        let received = buffer.withUnsafeMutableBytes {
            cl_receive(fd, $0.baseAddress, $0.count, &descriptors, &count)
        }
        if received == -Int(EAGAIN) { return nil }
        return (try check(received, "receive"), Array(descriptors[..<count]))
    }
}

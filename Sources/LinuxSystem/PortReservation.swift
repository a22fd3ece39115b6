internal import CLinux
internal import Glibc

/// A port of this machine, bound and not listened on: the kernel gives it to nobody who asks for any free one, and whoever
/// sets SO_REUSEADDR may still bind and listen on it. So a port can be chosen by one process and served by another.
public final class PortReservation {
    /// Never 0.
    public let port: UInt16
    private let socket: OwnedFD

    /// Port 0 means any free one. Throws EADDRINUSE where somebody listens there, EADDRNOTAVAIL where the address is not this
    /// machine's, EACCES where such a low port is not for this user (ip(7), ip_unprivileged_port_start).
    public init(address: String, port: UInt16, isUDP: Bool) throws(SystemError) {
        let subject = Self.name(address, port, isUDP)
        var place = SocketAddress()
        guard let family = place.set(address, port) else {
            throw SystemError(
                "publish", subject, errno: EINVAL, hint: "\(address) is not an address")
        }
        let type = Int32((isUDP ? SOCK_DGRAM : SOCK_STREAM).rawValue | SOCK_CLOEXEC.rawValue)
        let socket = OwnedFD(try checkErrno(Glibc.socket(family, type, 0), "socket"))
        if family == AF_INET6 { try Self.set(socket.raw, Int32(IPPROTO_IPV6), IPV6_V6ONLY) }
        // On TCP before bind(2), which a connection that was closed just now would fail otherwise. On UDP after it: two sockets
        // that both have it set may share a port, and that is what has to be found out.
        if !isUDP { try Self.set(socket.raw, SOL_SOCKET, SO_REUSEADDR) }
        guard place.withPointer(family, { bind(socket.raw, $0, $1) }) == 0 else {
            throw SystemError(
                "publish", subject, errno: Glibc.errno, hint: Self.hint(Glibc.errno, port))
        }
        if isUDP { try Self.set(socket.raw, SOL_SOCKET, SO_REUSEADDR) }
        self.port = try place.port(of: socket.raw)
        self.socket = socket
    }

    /// `127.0.0.1:8888`, `[::1]:53/udp`.
    public static func name(_ address: String, _ port: UInt16, _ isUDP: Bool) -> String {
        let host = address.utf8.contains(UInt8(ascii: ":")) ? "[\(address)]" : address
        return "\(host):\(port)\(isUDP ? "/udp" : "")"
    }

    private static func hint(_ errno: Int32, _ port: UInt16) -> String? {
        switch errno {
        case EADDRINUSE:
            "somebody else listens there; another host port, or `:PORT` for one that is free"
        case EADDRNOTAVAIL: "no interface of this machine has that address"
        case EACCES:
            "ports below 1024 are root's, unless net.ipv4.ip_unprivileged_port_start says so"
        default: nil
        }
    }

    private static func set(_ socket: Int32, _ level: Int32, _ option: Int32) throws(SystemError) {
        var on: Int32 = 1
        try checkErrno(
            setsockopt(socket, level, option, &on, socklen_t(MemoryLayout<Int32>.size)),
            "setsockopt")
    }
}

/// sockaddr_in or sockaddr_in6, whichever the text says.
private struct SocketAddress {
    private var four = sockaddr_in()
    private var six = sockaddr_in6()

    /// Returns the family; nil where the text is no address.
    mutating func set(_ address: String, _ port: UInt16) -> Int32? {
        four.sin_family = sa_family_t(AF_INET)
        four.sin_port = port.bigEndian
        six.sin6_family = sa_family_t(AF_INET6)
        six.sin6_port = port.bigEndian
        if inet_pton(AF_INET, address, &four.sin_addr) == 1 { return AF_INET }
        return inet_pton(AF_INET6, address, &six.sin6_addr) == 1 ? AF_INET6 : nil
    }

    func withPointer(
        _ family: Int32, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        func pass<T>(_ address: T) -> Int32 {
            withUnsafePointer(to: address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    body($0, socklen_t(MemoryLayout<T>.size))
                }
            }
        }
        return family == AF_INET ? pass(four) : pass(six)
    }

    /// The port stands at the same place in both.
    func port(of socket: Int32) throws(SystemError) -> UInt16 {
        var address = sockaddr_in6()
        var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getsockname(socket, $0, &length)
            }
        }
        try checkErrno(result, "getsockname")
        return UInt16(bigEndian: address.sin6_port)
    }
}

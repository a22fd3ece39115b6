internal import CLinux
internal import Glibc

/// TCP by numeric addresses, IPv4 and IPv6.
public enum TCPSocket {
    /// Begins to connect: once the socket can be written to, `outcome` tells what came of it. Does not block. Throws EINVAL for what
    /// is no numeric address.
    public static func connect(_ host: String, _ port: UInt16) throws(SystemError) -> OwnedFD {
        try open(host, port) { socket, address, size throws(SystemError) in
            guard Glibc.connect(socket, address, size) == 0 || errno == EINPROGRESS else {
                throw SystemError.last("connect", "\(host) port \(port)")
            }
        }
    }

    /// 0 where the connection stands, else why there is none; connect(2) on EINPROGRESS.
    public static func outcome(_ socket: Int32) -> Int32 {
        var failure: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(socket, SOL_SOCKET, SO_ERROR, &failure, &length) == 0 ? failure : errno
    }

    /// Does not block when it is asked for connections.
    /// - Parameter port: 0 takes one that is free; `port(of:)` tells it.
    public static func listen(_ host: String, _ port: UInt16) throws(SystemError) -> OwnedFD {
        try open(host, port) { socket, address, size throws(SystemError) in
            var on: Int32 = 1
            // What is left of connections of a former listener keeps nobody out.
            setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
            guard bind(socket, address, size) == 0, Glibc.listen(socket, 64) == 0 else {
                throw SystemError.last("listen", "\(host) port \(port)")
            }
        }
    }

    /// The next connection, or nil where none waits.
    public static func accept(_ listener: Int32) throws(SystemError) -> OwnedFD? {
        let raw = cl_accept(listener)
        if [-EAGAIN, -ECONNABORTED, -EINTR].contains(raw) { return nil }
        return try OwnedFD(checking: raw, "accept")
    }

    public static func port(of socket: Int32) throws(SystemError) -> UInt16 {
        var address = sockaddr_in6()
        var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getsockname(socket, $0, &length)
            }
        }
        try checkErrno(result, "getsockname")
        // At the same place in both kinds of address.
        return UInt16(bigEndian: address.sin6_port)
    }

    private static func open(
        _ host: String, _ port: UInt16,
        _ body: (Int32, UnsafePointer<sockaddr>, socklen_t) throws(SystemError) -> Void
    ) throws(SystemError) -> OwnedFD {
        var six = sockaddr_in6()
        var four = sockaddr_in()
        let isSix = inet_pton(AF_INET6, host, &six.sin6_addr) == 1
        guard isSix || inet_pton(AF_INET, host, &four.sin_addr) == 1 else {
            throw SystemError("connect", host, errno: EINVAL)
        }
        let flags = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let made = OwnedFD(
            try checkErrno(socket(isSix ? AF_INET6 : AF_INET, flags, 0), "socket", host))
        six.sin6_family = sa_family_t(AF_INET6)
        six.sin6_port = port.bigEndian
        four.sin_family = sa_family_t(AF_INET)
        four.sin_port = port.bigEndian
        if isSix {
            try withAddress(&six) { address, size throws(SystemError) in
                try body(made.raw, address, size)
            }
        } else {
            try withAddress(&four) { address, size throws(SystemError) in
                try body(made.raw, address, size)
            }
        }
        return made
    }

    private static func withAddress<Address>(
        _ address: inout Address,
        _ body: (UnsafePointer<sockaddr>, socklen_t) throws(SystemError) -> Void
    ) throws(SystemError) {
        try withUnsafePointer(to: &address) { address throws(SystemError) in
            try address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                address throws(SystemError) in
                try body(address, socklen_t(MemoryLayout<Address>.size))
            }
        }
    }
}

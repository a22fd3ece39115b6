internal import Glibc
internal import LinuxSystem

/// TCP between nodes, by numeric addresses.
enum PeerSocket {
    /// Milliseconds for all addresses of a peer together.
    static let patience: Int64 = 2000

    static func listen() throws(SystemError) -> OwnedFD {
        let flags = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        var any = sockaddr_in6()
        any.sin6_family = sa_family_t(AF_INET6)
        let six = socket(AF_INET6, flags, 0)
        if six >= 0 {
            let listener = OwnedFD(six)
            var off: Int32 = 0
            // ipv6(7): IPv4 callers are heard, too.
            setsockopt(
                listener.raw, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &off,
                socklen_t(MemoryLayout<Int32>.size))
            if bind(listener.raw, &any), Glibc.listen(listener.raw, 64) == 0 { return listener }
        }
        // Where IPv6 is switched off.
        let listener = try OwnedFD(checkErrno(socket(AF_INET, flags, 0), "socket"))
        var four = sockaddr_in()
        four.sin_family = sa_family_t(AF_INET)
        guard bind(listener.raw, &four), Glibc.listen(listener.raw, 64) == 0 else {
            throw SystemError.last("listen", "for other nodes")
        }
        return listener
    }

    private static func bind<Address>(_ socket: Int32, _ address: inout Address) -> Bool {
        withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(socket, $0, socklen_t(MemoryLayout<Address>.size)) == 0
            }
        }
    }

    /// Of the interfaces that are up, IPv4 first; the loopback's where there is no other.
    static func ownAddresses() -> [String] {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0 else { return ["127.0.0.1"] }
        defer { freeifaddrs(first) }
        var found: [(isSix: Bool, text: String)] = []
        var next = first
        while let entry = next {
            next = entry.pointee.ifa_next
            // IFF_UP and IFF_LOOPBACK of net/if.h.
            guard entry.pointee.ifa_flags & 1 != 0, entry.pointee.ifa_flags & 8 == 0,
                let address = entry.pointee.ifa_addr, let text = text(address)
            else { continue }
            found.append((address.pointee.sa_family == sa_family_t(AF_INET6), text))
        }
        let texts = found.filter { !$0.isSix }.map(\.text) + found.filter(\.isSix).map(\.text)
        return texts.isEmpty ? ["127.0.0.1"] : texts
    }

    /// Nil for what is no address of a whole network, as those of one link alone.
    private static func text(_ address: UnsafeMutablePointer<sockaddr>) -> String? {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let family = Int32(address.pointee.sa_family)
        let isWritten = UnsafeRawPointer(address).withMemoryRebound(
            to: sockaddr_in6.self, capacity: 1
        ) {
            six in
            if family == AF_INET6 {
                var host = six.pointee.sin6_addr
                return inet_ntop(family, &host, &text, socklen_t(text.count)) != nil
            }
            guard family == AF_INET else { return false }
            var host = UnsafeRawPointer(six).load(as: sockaddr_in.self).sin_addr
            return inet_ntop(family, &host, &text, socklen_t(text.count)) != nil
        }
        guard isWritten else { return nil }
        let string = String(
            decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        return string.hasPrefix("fe80:") ? nil : string
    }

    /// Connected to the first that answers.
    static func connect(_ hosts: [String], _ port: Int) throws(SystemError) -> Int32 {
        let deadline = Clock.monotonic() + patience
        // One that swallows what is sent to it leaves time for the others.
        let share = max(200, patience / Int64(max(1, hosts.count)))
        for host in hosts {
            let left = min(deadline - Clock.monotonic(), share)
            guard left > 0 else { break }
            if let socket = attempt(host, port, milliseconds: left) { return socket }
        }
        throw SystemError("connect", hosts.joined(separator: ", "), errno: ETIMEDOUT)
    }

    private static func attempt(_ host: String, _ port: Int, milliseconds: Int64) -> Int32? {
        guard let number = UInt16(exactly: port) else { return nil }
        do throws(SystemError) {
            let made = try TCPSocket.connect(host, number)
            guard isConnected(made.raw, milliseconds) else { return nil }
            let socket = made.release()
            _ = fcntl(socket, F_SETFL, fcntl(socket, F_GETFL) & ~O_NONBLOCK)
            return socket
        } catch {
            // The next address may do.
            return nil
        }
    }

    private static func isConnected(_ socket: Int32, _ milliseconds: Int64) -> Bool {
        var poller = pollfd(fd: socket, events: Int16(POLLOUT), revents: 0)
        return poll(&poller, 1, Int32(clamping: milliseconds)) == 1
            && TCPSocket.outcome(socket) == 0
    }
}

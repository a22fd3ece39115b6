internal import CLinux
internal import Glibc
internal import LinuxSystem

// MARK: A network of its own

extension ContainerChild {
    func enterNetwork() throws(SystemError) {
        try check(
            cl_unshare(Namespace.network), "unshare(network)",
            hint: "network namespaces are switched off here; ask for user.max_net_namespaces")
        // Nobody else is on it, so no port of it needs root (ip(7)); Docker does the same.
        let path = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
        let file = try OwnedFD.open(path, O_WRONLY)
        try Files.writeAll(file.raw, "0".utf8, path)
    }

    /// Brings `lo` up, which in a new namespace is down: netdevice(7), SIOCSIFFLAGS. The addresses come with it.
    static func raiseLoopback() throws(SystemError) {
        let setFlags: UInt = 0x8914  // linux/sockios.h
        let up: Int16 = 1  // IFF_UP, linux/if.h
        let socket = OwnedFD(
            try checkErrno(
                Glibc.socket(
                    AF_INET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0), "socket"))
        // struct ifreq: 16 bytes of name, then a union of 24 bytes that begins with the flags.
        var request = [UInt8](repeating: 0, count: 40)
        request.replaceSubrange(0..<2, with: "lo".utf8)
        withUnsafeBytes(of: up) { request.replaceSubrange(16..<18, with: $0) }
        try check(cl_ioctl(socket.raw, setFlags, &request), "ioctl(SIOCSIFFLAGS)", "lo")
    }

    /// To the launcher, who connects it; meanwhile the other steps go on.
    func handOverNetwork() throws(SystemError) {
        // The launcher's end of the socket is this process's, too: that it has died would not be seen there.
        try dieWithLauncher()
        let network = try OwnedFD.open("/proc/self/ns/net", O_RDONLY)
        _ = try UnixSocket.send(status, [Told.network], descriptors: [network.raw])
    }

    /// Returns once the launcher says that this may go on. Where it may not, the launcher ends this process.
    func awaitWord(_ step: String) throws(SystemError) {
        var word = [UInt8](repeating: 0, count: 1)
        guard let (count, _) = try UnixSocket.receive(status, into: &word), count == 1 else {
            throw SystemError(step, errno: ECONNRESET)
        }
    }
}

import CLinux
import Glibc
import LinuxSystem
import Testing

@testable import ContainerRuntime

/// Private networks, live: as root, and as a user that no file knows.
@Suite(
    .enabled(if: TestImage.isPossible, TestImage.reason),
    .enabled(if: Files.exists("/usr/bin/pasta"), "pasta is not installed"),
    .enabled(
        if: geteuid() == 0 || access("/dev/net/tun", R_OK | W_OK) == 0, "/dev/net/tun is closed"),
    .timeLimit(.minutes(1)))
struct NetworkTests {
    /// Serves one page, the host port that it was told.
    private static let server =
        "echo port $PORT > /tmp/index.html; exec /bin/busybox httpd -f -p 8888 -h /tmp"

    private func port(_ host: UInt16 = 0, _ container: UInt16 = 8888) -> ContainerSpec.Port {
        .init(address: "127.0.0.1", hostPort: host, containerPort: container, variable: "PORT")
    }

    private func isolated(_ runner: Runner) throws -> LauncherUnderTest {
        try LauncherUnderTest(runner, prefix: runner.opensTun)
    }

    /// Says `reached` where somebody listens.
    private func reach(_ address: String, _ port: UInt16) -> String {
        "python3 -c \"import socket; socket.create_connection(('\(address)', \(port)), 2); print('reached')\" 2>/dev/null"
    }

    private func onMachine(
        _ script: String, _ user: String, _ network: ContainerSpec.Network
    ) -> ContainerSpec {
        var spec = ContainerSpec(root: .host, arguments: ["/bin/sh", "-c", script])
        spec.user = user
        spec.network = network
        return spec
    }

    @Test(arguments: Runner.possible)
    func aPublishedPortIsReachedFromTheMachine(runner: Runner) throws {
        let launcher = try isolated(runner)
        let id = try launcher.start(launcher.spec(Self.server) { $0.network = .private([port()]) })
        let start = try launcher.awaitStart(id)
        let chosen = try #require(start.ports.first?.hostPort)
        #expect(chosen != 0)
        // Pasta listens already; the server in the container may take a moment more.
        #expect(try LocalHTTP.page(chosen) == "port \(chosen)\n")
        let again = try launcher.reconnect()
        guard case .hello(_, let running, _, _) = again else { throw LocalHTTP.Silent() }
        #expect(running.first?.ports == start.ports)
        try launcher.send(.stop(id: id))
        _ = try launcher.finish(id)
        // Free again once the exit is told.
        #expect(
            try PortReservation(address: "127.0.0.1", port: chosen, isUDP: false).port == chosen)
    }

    @Test(arguments: Runner.possible)
    func theLoopbackInsideIsTheContainersOwnAndEveryPortOfIt(runner: Runner) throws {
        let launcher = try isolated(runner)
        let listener = try LocalHTTP.listen()
        // From the machine's own root, since busybox without its libraries cannot look up even a number.
        let script = """
            mkdir -p /tmp/w; echo mine > /tmp/w/index.html
            busybox httpd -p 80 -h /tmp/w && curl -s -m 2 http://127.0.0.1:80/
            \(reach("127.0.0.1", listener.port))
            gateway=$(ip route | awk '/^default/ {print $3}')
            echo "gateway ${gateway:+known}"
            \(reach("$gateway", listener.port))
            exit 0
            """
        for user in ["", runner == .root ? "1000" : ""] {
            let ended = try launcher.run(onMachine(script, user, .private([])))
            #expect(ended.output == "mine\ngateway known\n", "\(ended.errors) \(ended.exit.status)")
        }
        // The control: on the machine's own network it is there.
        let control = try launcher.run(
            onMachine(
                reach("127.0.0.1", listener.port), "", .host))
        #expect(control.output == "reached\n")
    }

    @Test(arguments: Runner.possible)
    func aPortThatSomebodyHasIsToldBeforeTheTaskStarts(runner: Runner) throws {
        let launcher = try isolated(runner)
        let listener = try LocalHTTP.listen()
        let ended = try launcher.shell("echo ran") {
            $0.network = .private([port(listener.port)])
        }
        #expect(
            ended.exit.status.failure?.step == "publish"
                && ended.exit.status.failure?.errno == EADDRINUSE, "\(ended.exit.status)")
        #expect(ended.exit.status.failure?.subject.hasPrefix("127.0.0.1:\(listener.port)") == true)
        #expect(ended.output == "")
    }

    @Test(arguments: Runner.possible)
    func withoutPastaTheFailureSaysWhatToInstall(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner, environment: ["PATH=/nonexistent"])
        let ended = try launcher.shell("echo ran") { $0.network = .private([port()]) }
        #expect(ended.exit.status.failure?.errno == ENOENT)
        #expect(ended.exit.status.failure?.subject.contains("passt") == true)
        #expect(try launcher.shell("echo ran").output == "ran\n")
    }

    /// Here /dev/net/tun is not there at all.
    @Test(arguments: Runner.rootOnly)
    func whatPastaComplainsOfIsTold(runner: Runner) throws {
        let launcher = try LauncherUnderTest(
            runner,
            prefix: ["unshare", "-m", "sh", "-c", "mount -t tmpfs none /dev/net; exec \"$@\"", "x"])
        let ended = try launcher.shell("echo ran") { $0.network = .private([port()]) }
        #expect(ended.exit.status.failure?.step == "network")
        #expect(ended.exit.status.failure?.subject.contains("tun") == true, "\(ended.exit.status)")
        #expect(ended.output == "")
    }

    @Test(arguments: Runner.possible)
    func nothingIsLeftAfterAnEndAStopOrTheLaunchersDeath(runner: Runner) throws {
        let launcher = try isolated(runner)
        func begin() throws -> (id: String, pasta: pid_t) {
            let id = try launcher.start(
                launcher.spec(Self.server) { $0.network = .private([port()]) })
            _ = try launcher.awaitStart(id)
            let pasta = Launcher.descendants(of: launcher.pid).filter {
                ((try? Files.text("/proc/\($0)/cmdline")) ?? "").hasPrefix("pasta\0")
            }
            #expect(pasta.count == 1)
            return (id, pasta.first ?? 0)
        }
        let stopped = try begin()
        try launcher.send(.stop(id: stopped.id))
        _ = try launcher.finish(stopped.id)
        #expect(kill(stopped.pasta, 0) == -1)

        let ended = try launcher.shell("true") { $0.network = .private([port()]) }
        #expect(ended.exit.status == .code(0))
        #expect(Launcher.descendants(of: launcher.pid).isEmpty)

        let orphaned = try begin()
        launcher.killLauncher()
        let deadline = Clock.monotonic() + 5_000
        while kill(orphaned.pasta, 0) == 0, Clock.monotonic() < deadline { usleep(1000) }
        #expect(kill(orphaned.pasta, 0) == -1)
        try launcher.startAgain()
        #expect(try launcher.shell("true").exit.status == .code(0))
    }

    /// Where the next launcher finds what outlived this one.
    @Test(arguments: Runner.rootOnly)
    func theTableNamesAContainersPastaBesideIt(runner: Runner) throws {
        let launcher = try isolated(runner)
        let id = try launcher.start(
            launcher.spec(Self.server) { $0.network = .private([port()]) })
        _ = try launcher.awaitStart(id)
        let table = try Files.read(launcher.directory + "/launcher.containers")
        let pids = stride(from: 0, to: 24 * 8, by: 24).map { place in
            table[place..<place + 4].reversed().reduce(0) { $0 << 8 | pid_t($1) }
        }
        #expect(pids.filter { $0 > 0 }.count == 2)
        #expect(
            Set(pids.filter { $0 > 0 })
                == Set(
                    Launcher.descendants(of: launcher.pid).filter {
                        (try? Files.text("/proc/\($0)/status"))?.contains(
                            "PPid:\t\(launcher.pid)\n") == true
                    }))
    }

    @Test(arguments: Runner.possible)
    func everyPortOfARangeAndDatagramsArriveToo(runner: Runner) throws {
        let launcher = try isolated(runner)
        // The same on both sides: pasta of Debian 12 (2023-03) loses the answers to datagrams for another port.
        let free = try PortReservation(address: "127.0.0.1", port: 0, isUDP: true).port
        let echo = """
            import socket
            u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("0.0.0.0", \(free)))
            t = []
            for p in (9000, 9001):
                s = socket.socket(); s.bind(("0.0.0.0", p)); s.listen(); t.append(s)
            d, a = u.recvfrom(100); u.sendto(b"you said " + d, a)
            for s in t:
                c, _ = s.accept(); c.sendall(b"port %d" % s.getsockname()[1]); c.close()
            """
        var spec = ContainerSpec(root: .host, arguments: ["/usr/bin/python3", "-c", echo])
        var datagrams = port(free, free)
        datagrams.isUDP = true
        spec.network = .private([datagrams, port(0, 9000), port(0, 9001)])
        let id = try launcher.start(spec)
        let ports = try launcher.awaitStart(id).ports.map(\.hostPort)
        #expect(Set(ports).count == 3)
        #expect(try LocalHTTP.datagram(ports[0], "hello") == "you said hello")
        #expect(try LocalHTTP.read(ports[1], "") == "port 9000")
        #expect(try LocalHTTP.read(ports[2], "") == "port 9001")
        #expect(try launcher.finish(id).exit.status == .code(0))
    }

    /// The launcher on a machine of its own: a network namespace with one cable to another, and a resolver on its loopback.
    @Test(
        .enabled(if: geteuid() == 0 && Files.exists("/usr/sbin/ip"), "needs root and iproute2"),
        arguments: Runner.possible)
    func aPrivateNetworkHasAWayOutAndNames(runner: Runner) throws {
        let machine = """
            mount -t tmpfs none /dev/net && mknod -m 666 /dev/net/tun c 10 200
            ip link set lo up
            unshare -n sh -c 'ip link set lo up; echo up; exec sleep 60' > $1/up & far=$!
            until grep -q up $1/up; do :; done
            ip link add near type veth peer name far netns $far
            ip addr add 198.51.100.1/24 dev near; ip link set near up; ip route add default via 198.51.100.2
            nsenter -t $far -n sh -c 'ip addr add 198.51.100.2/24 dev far; ip link set far up'
            mkdir $1/w; echo far away > $1/w/index.html
            nsenter -t $far -n timeout 60 busybox httpd -f -p 80 -h $1/w & web=$!
            echo nameserver 127.0.0.53 > $1/resolv; mount --bind $1/resolv /etc/resolv.conf
            timeout 60 python3 -c '
            import socket
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.53", 53))
            print("up", flush=True)
            while True:
                q, a = s.recvfrom(512)
                name = q[12:q.index(b"\\0", 12) + 5]
                answer = b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\1\\0\\4" + bytes([198, 51, 100, 2]) if name[-3] == 1 else b""
                s.sendto(q[:2] + b"\\x81\\x80\\0\\1\\0" + bytes([bool(answer)]) + b"\\0\\0\\0\\0" + name + answer, a)
            ' > $1/dns & dns=$!
            until grep -q up $1/dns; do :; done
            shift; "$@" & launcher=$!
            trap 'kill $launcher' TERM
            wait $launcher; wait $launcher; kill $far $web $dns
            """.split(separator: "\n").map {
                $0.hasPrefix("            ") ? String($0.dropFirst(12)) : String($0)
            }.joined(separator: "\n")
        let scratch = try Folder()
        chmod(scratch.path, 0o755)
        let launcher = try LauncherUnderTest(
            runner,
            prefix: [
                "unshare", "-m", "-n", "sh", "-c", machine, "x", scratch.path,
            ])
        let ended = try launcher.run(
            onMachine(
                "cat /etc/resolv.conf; curl -s -m 5 http://far.example/", "", .private([])))
        #expect(ended.output == "nameserver \(Pasta.nameserver)\nfar away\n", "\(ended.errors)")
    }
}

extension Runner {
    /// A mount namespace in which this user may open /dev/net/tun, as on every machine with udev.
    var opensTun: [String] {
        guard geteuid() == 0, self != .root else { return [] }
        let open = "mount -t tmpfs none /dev/net && mknod -m 666 /dev/net/tun c 10 200; exec \"$@\""
        return ["unshare", "-m", "sh", "-c", open, "x"]
    }
}

extension ContainerExit.Status {
    var failure: (step: String, subject: String, errno: Int32)? {
        if case .startFailure(let step, let subject, let errno) = self {
            (step, subject, errno)
        } else {
            nil
        }
    }
}

/// The machine's side of a conversation with a container, over 127.0.0.1.
enum LocalHTTP {
    struct Silent: Error {}

    /// Listens on any free port, and answers nothing.
    static func listen() throws -> (socket: OwnedFDBox, port: UInt16) {
        let fd = try checkErrno(socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0), "socket")
        let box = OwnedFDBox(fd)
        var address = place(0)
        _ = withPointer(&address) { bind(fd, $0, $1) }
        try checkErrno(Glibc.listen(fd, 8), "listen")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) {
            _ = $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getsockname(fd, $0, &length)
            }
        }
        return (box, UInt16(bigEndian: address.sin_port))
    }

    /// The body of `/`, asked for again until somebody answers.
    static func page(_ port: UInt16) throws -> String {
        let deadline = Clock.monotonic() + 10_000
        while Clock.monotonic() < deadline {
            let reply = try read(port, "GET / HTTP/1.0\r\n\r\n")
            if let body = reply.firstRange(of: "\r\n\r\n") {
                return String(reply[body.upperBound...])
            }
        }
        throw Silent()
    }

    /// All that comes until the other side closes.
    static func read(_ port: UInt16, _ request: String) throws -> String {
        let box = OwnedFDBox(
            try checkErrno(socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0), "socket"))
        var address = place(port)
        guard withPointer(&address, { connect(box.fd, $0, $1) }) == 0 else { return "" }
        _ = request.utf8.withContiguousStorageIfAvailable {
            write(box.fd, $0.baseAddress, $0.count)
        }
        var reply: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while case let count = Glibc.read(box.fd, &buffer, buffer.count), count > 0 {
            reply += buffer[..<count]
        }
        return String(decoding: reply, as: UTF8.self)
    }

    /// Sends one datagram again and again until one comes back.
    static func datagram(_ port: UInt16, _ text: String) throws -> String {
        let box = OwnedFDBox(
            try checkErrno(socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0), "socket"))
        var address = place(port)
        _ = withPointer(&address) { connect(box.fd, $0, $1) }
        var buffer = [UInt8](repeating: 0, count: 4096)
        for _ in 0..<100 {
            _ = send(box.fd, text, text.utf8.count, 0)
            var poller = pollfd(fd: box.fd, events: Int16(POLLIN), revents: 0)
            guard poll(&poller, 1, 100) > 0 else { continue }
            let count = recv(box.fd, &buffer, buffer.count, 0)
            if count > 0 { return String(decoding: buffer[..<count], as: UTF8.self) }
        }
        throw Silent()
    }

    private static func place(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        inet_pton(AF_INET, "127.0.0.1", &address.sin_addr)
        return address
    }

    private static func withPointer(
        _ address: inout sockaddr_in, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}

final class OwnedFDBox {
    let fd: Int32
    init(_ fd: Int32) { self.fd = fd }
    deinit { close(fd) }
}

internal import Glibc
internal import LinuxSystem

/// The command line of pasta(1), which carries packets between a container's network and the machine's as an ordinary program
/// with ordinary sockets: for root and for everybody else, without a rule or an interface on the machine.
enum Pasta {
    /// Where the container asks for names when the machine's own resolvers listen on its loopback, which the container has not.
    static let nameserver = "169.254.1.1"

    static func find() throws(SystemError) -> String {
        if let path = ProgramPath.find("pasta") { return path }
        throw SystemError(
            "network", "pasta", errno: ENOENT,
            hint: "it is not on PATH: install passt (apt-get install passt), or write network: host"
        )
    }

    /// It finds the container's network at its stdin, and tells its pid on its stdout as soon as the ports are open.
    static func arguments(_ ports: [ContainerSpec.Port], _ machine: MachineNetwork) -> [String] {
        var arguments = [
            "pasta", "--foreground", "--quiet", "--config-net", "--pid", "/proc/self/fd/1",
            // The network is root's of this user namespace, so it is entered as that: never as `nobody`, which could not.
            "--runas", "0", "--netns-only", "--netns", "/proc/self/fd/0", "--no-netns-quit",
            // Nothing of the machine's loopback is seen from the container, neither at its own nor at the gateway's address.
            "--no-map-gw", "-T", "none", "-U", "none",
        ]
        if !machine.hasRoute {
            // Nothing to take addresses from, and nowhere to go; the ports work all the same. As qemu's and slirp's network.
            arguments += [
                "--ipv4-only", "-i", "lo", "-I", "eth0", "-a", "10.0.2.15", "-n", "255.255.255.0",
                "-g", "10.0.2.2",
            ]
        }
        if machine.asksLoopback { arguments += ["--dns-forward", nameserver] }
        for (option, isUDP) in [("-t", false), ("-u", true)] {
            let mine = ports.filter { $0.isUDP == isUDP }
            if mine.isEmpty { arguments += [option, "none"] }
            for port in mine {
                arguments += [option, "\(port.address)/\(port.hostPort):\(port.containerPort)"]
            }
        }
        return arguments
    }

    /// What it said, in one line, without what it says of a missing syslog.
    static func complaint(_ output: [UInt8]) -> String {
        let lines = String(decoding: output, as: UTF8.self).split(separator: "\n")
        return lines.filter { !$0.hasPrefix("Failed to send ") && !$0.isEmpty }.joined(
            separator: "; ")
    }
}

/// What of the machine's network matters to a private one.
struct MachineNetwork: Hashable {
    /// There is a default route, IPv4 or IPv6.
    var hasRoute: Bool
    /// Every resolver listens on the machine's loopback, as systemd-resolved's stub does.
    var asksLoopback: Bool
    /// Of /etc/resolv.conf.
    var resolvers: String

    static func read() -> MachineNetwork {
        // What is missing holds no route and names no resolver.
        let four = (try? Files.text("/proc/net/route")) ?? ""
        let six = (try? Files.text("/proc/net/ipv6_route")) ?? ""
        return MachineNetwork(
            four: four, six: six, resolvers: (try? Files.text("/etc/resolv.conf")) ?? "")
    }

    /// proc(5): of IPv4 the second field is the destination, of IPv6 the first two are, and the last names the interface.
    init(four: String, six: String, resolvers: String) {
        func rows(_ text: String) -> [[Substring]] {
            text.split(separator: "\n").map { $0.split { $0 == " " || $0 == "\t" } }
        }
        hasRoute =
            rows(four).contains { $0.count > 7 && $0[1] == "00000000" && $0[7] == "00000000" }
            || rows(six).contains {
                $0.count > 9 && $0[0].allSatisfy { $0 == "0" } && $0[1] == "00" && $0[9] != "lo"
            }
        let servers = Self.servers(resolvers)
        asksLoopback =
            !servers.isEmpty && servers.allSatisfy { $0.hasPrefix("127.") || $0 == "::1" }
        self.resolvers = resolvers
    }

    /// resolv.conf(5).
    private static func servers(_ text: String) -> [Substring] {
        text.split(separator: "\n").compactMap { line in
            let words = line.split { $0 == " " || $0 == "\t" }
            return words.count > 1 && words[0] == "nameserver" ? words[1] : nil
        }
    }

    /// resolv.conf(5) with pasta in place of the machine's resolvers.
    var resolversInside: String {
        let rest = resolvers.split(separator: "\n", omittingEmptySubsequences: false).filter {
            !$0.hasPrefix("nameserver")
        }
        return "nameserver \(Pasta.nameserver)\n" + rest.joined(separator: "\n")
    }
}

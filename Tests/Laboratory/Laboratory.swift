internal import Glibc
internal import LinuxSystem

/// Machines that are none: real sshds, each in a network, mount, PID and UTS namespace of its own with its own home, temporary
/// directories and keys, joined by veth pairs to a bridge in the head's network namespace. Needs root. Everything ends and goes
/// with it. Start with `init`; then `LaboratoryNode.swift`.
public final class Laboratory: Sendable {
    /// Keys, configurations, the nodes' disks.
    public let folder: String
    public let nodes: [LaboratoryNode]
    private let disk: LaboratoryDisk
    /// The namespace in which ssh runs, and the bridge's.
    private let network: LaboratoryProcess

    /// The head's, on its nodes' network.
    public static let address = "10.77.0.1"

    public static let isPossible = geteuid() == 0 && access("/usr/sbin/sshd", X_OK) == 0

    /// Nodes are named `node0`, `node1` … in ssh's configuration.
    public init(_ options: [LaboratoryNode.Options]) throws {
        // Not below a directory that the nodes have one of their own of.
        let disk = try LaboratoryDisk()
        self.disk = disk
        folder = disk.path
        try Shell.run("ssh-keygen -q -t ed25519 -N '' -f \(folder)/key")
        network = try LaboratoryProcess([
            "unshare", "--net", "/bin/sh", "-c", "echo up; read x",
        ])
        try network.run(
            "ip link set lo up; ip link add lab type bridge; ip addr add \(Self.address)/16 dev lab; ip link set lab up"
        )
        var nodes: [LaboratoryNode] = []
        for (number, options) in options.enumerated() {
            nodes.append(try LaboratoryNode(number, options, disk, network))
        }
        self.nodes = nodes
        try writeConfiguration()
    }

    /// What `MARTLET_SSH` is to name: the system's ssh on the head's network, with the laboratory's configuration as the user's.
    public var ssh: String { folder + "/ssh" }
    public var environment: [String: String] { ["MARTLET_SSH": ssh] }

    /// Before a command: has it run on the head's network.
    public var onNetwork: [String] { ["nsenter", "--net=/proc/\(network.pid)/ns/net"] }

    /// Runs on the head's network.
    @discardableResult
    public func run(_ script: String) throws -> String { try network.run(script) }

    /// Makes the head forget a host key, or know a wrong one.
    public func setKnownHosts(_ text: String) throws {
        try Files.writeAtomically(folder + "/known_hosts", text.utf8)
    }

    public var knownHosts: String {
        nodes.map { "\($0.address),\($0.name) \($0.hostKey)\n" }.joined()
    }

    private func writeConfiguration() throws {
        var text = """
            Host *
              IdentityFile \(folder)/key
              IdentitiesOnly yes
              UserKnownHostsFile \(folder)/known_hosts
              GlobalKnownHostsFile none

            """
        for node in nodes {
            text +=
                "Host \(node.name) \(node.address)\n  HostName \(node.address)\n  User \(node.options.user)\n"
            if let jump = node.options.jump { text += "  ProxyJump \(nodes[jump].name)\n" }
        }
        try Files.writeAtomically(folder + "/ssh_config", text.utf8)
        try setKnownHosts(knownHosts)
        let script = """
            #!/bin/sh
            exec nsenter --net=/proc/\(network.pid)/ns/net ssh -F \(folder)/ssh_config "$@"

            """
        try Files.writeAtomically(ssh, script.utf8, mode: 0o755)
    }
}

/// The laboratory's own directory; goes when nothing of the laboratory is left.
final class LaboratoryDisk: Sendable {
    // Not below a directory that the nodes have one of their own of.
    let path = "/var/lib/martlet-lab-\(getpid())-\(UInt32.random(in: 0 ... .max))"

    init() throws { try Files.makeDirectories(path, mode: 0o755) }

    deinit {
        // What a node mounted has gone with its namespace.
        _ = try? Shell.run("rm -rf --one-file-system \(path)")
    }
}

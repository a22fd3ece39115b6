public import JobModel
public import LinuxSystem

/// What ssh(1) is started with for one node: the system's program, with the user's own configuration.
public struct SSHCommand: Sendable, Hashable {
    public var node: NodeSpec
    /// `MARTLET_SSH` names another one, for tests and sites that wrap theirs.
    public var program: String

    /// Throws where the destination or the directory cannot stand on a command line.
    public init(
        _ node: NodeSpec, environment: [String: String] = ProcessEnvironment.all()
    ) throws(LinkProblem) {
        self.node = node
        let named = environment["MARTLET_SSH"] ?? ""
        program = named.isEmpty ? "ssh" : named
        try Self.check(node)
    }

    /// What must hold whatever the user's configuration says. ssh_config(5); the first value of each option counts, and these
    /// come first.
    private static let options = [
        // Nobody is there to answer a question.
        "BatchMode=yes",
        // Nothing of the head's is lent to a node.
        "ClearAllForwardings=yes", "ForwardAgent=no", "ForwardX11=no", "PermitLocalCommand=no",
        "RemoteCommand=none",
        // A master shared with others dies with them, and MaxSessions bounds it.
        "ControlMaster=no", "ControlPath=none",
        // A dead peer is noticed as soon as the link's own heartbeats would.
        "ServerAliveInterval=10", "ServerAliveCountMax=2",
        // Its last words are what the user is told.
        "LogLevel=INFO",
    ]

    /// The whole command line, program first.
    /// - Parameters:
    ///   - remote: one line, which the node's login shell reads.
    ///   - timeout: seconds for the connection.
    public func arguments(running remote: String, timeout: Int = 10) -> [String] {
        var words = [program, "-T", "-e", "none"]
        let hostKeys = node.acceptsNewHostKey ? "accept-new" : "yes"
        let ours =
            Self.options + [
                "ConnectTimeout=\(timeout)", "StrictHostKeyChecking=\(hostKeys)",
            ]
        for option in ours { words += ["-o", option] }
        if let port = node.port { words += ["-p", "\(port)"] }
        return words + ["--", node.destination, remote]
    }

    /// Prints what the user's configuration makes of the destination, without connecting.
    var configurationQuery: [String] {
        [program, "-T", "-G"] + (node.port.map { ["-p", "\($0)"] } ?? []) + [
            "--", node.destination,
        ]
    }

    // MARK: What may stand there

    private static func check(_ node: NodeSpec) throws(LinkProblem) {
        func refuse(_ what: String, _ remedy: String) throws(LinkProblem) -> Never {
            throw LinkProblem(.badDestination, what, remedy: remedy)
        }
        let destination = node.destination
        // ssh would take it for an option (CVE-2017-1000117 and its like), and %h in a ProxyCommand meets a shell
        // (CVE-2023-51385).
        guard !destination.isEmpty, !destination.hasPrefix("-"), !destination.contains("@-"),
            destination.utf8.allSatisfy({ isPlain($0) || Array("@:[]%".utf8).contains($0) })
        else {
            try refuse(
                "\(LinkProblem.neutralised(destination)) is no destination for ssh",
                "write [user@]host, of letters, digits and any of . _ - + = ,")
        }
        if let port = node.port, !(1...65535).contains(port) {
            try refuse("\(port) is no TCP port", "give one between 1 and 65535")
        }
        guard let directory = node.directory else { return }
        // It goes through the node's login shell, whichever that is.
        guard directory.hasPrefix("/"), !directory.split(separator: "/").contains(".."),
            directory.utf8.allSatisfy({ isPlain($0) || $0 == UInt8(ascii: "/") })
        else {
            try refuse(
                "\(LinkProblem.neutralised(directory)) cannot be a node's directory",
                "give an absolute path of letters, digits and any of . _ - + = ,")
        }
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: Array("._-+=,".utf8).contains(byte)
        }
    }
}

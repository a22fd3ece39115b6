import ArgumentParser
import Glibc
import JobModel
import JobServer
import LinuxSystem
import ServerAPI
import SpecFile
import TerminalUI

struct NodesAdd: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Add machines that you can ssh to. Nothing needs to be installed there.",
        discussion: """
            martlet nodes add gpu[01-16] --label model=a100
            martlet nodes add anna@10.0.0.7:2222 --name lab

            Your ssh configuration holds (aliases, keys, ProxyJump). Nobody is asked for a password.
            """)

    @Argument(help: "[user@]host[:port], with ranges: gpu[01-16].") var hosts: [String] = []
    @Option(name: .shortAndLong, help: "A nodes.yaml in place of hosts.", completion: .file())
    var file: String?
    @Option(help: "Name of the node, where there is one; else its host.") var name: String?
    @Option(help: "NAME=VALUE that tasks can ask for.") var label: [String] = []
    @Flag(help: "Accept the keys of hosts that are not known yet. A changed key is never accepted.")
    var acceptNew = false
    @Option(help: "Directory there for everything of Martlet's, on a disk that is not noexec.")
    var directory: String?
    @Option(help: "How long its tasks outlive a silent head: 40m; off for ever.") var lease: String?
    @Flag(help: "They pull images by themselves, with the curl that is there, where they can.")
    var pull = false
    @Flag(help: "Take nodes from another head that has them; what it runs there is ended.")
    var takeOver = false
    @Flag(help: "Keep nodes that cannot be reached now.") var keep = false
    @Flag(help: "Print as JSON.") var json = false

    func run() throws {
        let specs = try specs()
        let client = try Connection.open().client
        let known = Set(try client.nodes().map(\.name))
        _ = try client.add(specs)
        let names = Set(specs.map(\.name))
        var joining = names
        var joined: [ServerStatus.Node] = []
        let deadline = Clock.monotonic() + Self.patience
        while !joining.isEmpty, Clock.monotonic() < deadline {
            for node in try client.nodes() where joining.contains(node.name) && node.isSettled {
                joining.remove(node.name)
                joined.append(node)
                if !json { Self.tell(node) }
            }
            if !joining.isEmpty { usleep(10_000) }
        }
        let nodes = try client.nodes().filter { names.contains($0.name) }
        let failed = nodes.filter { !$0.isJoined }
        for node in failed where joining.contains(node.name) && !json { Self.tell(node) }
        if !keep {
            for node in failed where !known.contains(node.name) {
                try client.change(node.name, NodeRequest(.remove, force: true))
            }
        }
        if json { JSONOutput.write(NodeList(nodes: nodes)) }
        guard failed.isEmpty else { throw ExitCode(.infrastructure) }
    }

    /// Milliseconds: two handshakes, a slow login and the copy of the programs over a thin line.
    private static let patience: Int64 = 120_000

    private static func tell(_ node: ServerStatus.Node) {
        guard node.isJoined else {
            return Terminal.writeError(
                "martlet: node \(node.name): \(node.reason ?? "no answer yet")\n")
        }
        let gpus = node.gpus > 0 ? ", \(node.gpus) GPU\(node.gpus == 1 ? "" : "s")" : ""
        Terminal.write(
            "\(node.name): \(node.cpus) CPU\(node.cpus == 1 ? "" : "s"), \(Words.size(node.memory))\(gpus)\n"
        )
    }

    private func specs() throws -> [NodeSpec] {
        var specs: [NodeSpec] = []
        if let file {
            specs = try NodesFile.parse(text: try Files.text(file), path: file).nodes
        }
        for host in hosts { specs += try NodeNames.specs(host) }
        guard !specs.isEmpty else {
            throw Failure(
                .usage, "no hosts", hint: "martlet nodes add gpu01 gpu02, or --file nodes.yaml")
        }
        if let name {
            guard specs.count == 1 else {
                throw Failure(.usage, "--name is for one node, and there are \(specs.count)")
            }
            specs[0].name = name
        }
        let labels = try label.map(Self.label)
        let leaseTime = try lease.map(Self.lease)
        for place in specs.indices {
            specs[place].labels.merge(labels) { $1 }
            if acceptNew { specs[place].acceptsNewHostKey = true }
            if pull { specs[place].pulls = true }
            if takeOver { specs[place].takesOver = true }
            if let directory { specs[place].directory = directory }
            if let leaseTime { specs[place].lease = leaseTime }
        }
        return specs
    }

    private static func label(_ text: String) throws -> (String, String) {
        let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
        // A label alone says that the node has it.
        guard let name = parts.first, !name.isEmpty else {
            throw Failure(.usage, "--label \(text): write NAME=VALUE")
        }
        return (name, parts.count == 2 ? parts[1] : "true")
    }

    private static func lease(_ text: String) throws -> Int64 {
        if ["off", "0"].contains(text) { return 0 }
        guard let time = Rendering.duration(text) else {
            throw Failure(.usage, "--lease \(text): write 40m, 2h or off")
        }
        return time
    }
}

extension ServerStatus.Node {
    /// Its agent has said hello.
    var isJoined: Bool { state == .connected || state == .held }
    /// It has joined, or there is a reason why it has not.
    var isSettled: Bool { isJoined || reason != nil }
}

import ArgumentParser
import JobModel
import JobServer
import ServerAPI
import TerminalUI

struct NodesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "nodes",
        abstract: "Machines that tasks are sent to, reached with your own ssh.",
        subcommands: [
            NodesAdd.self, NodesList.self, NodesCheck.self, NodesDrain.self, NodesUndrain.self,
            NodesRemove.self, NodesExec.self,
        ])
}

struct NodesList: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "ls", abstract: "List nodes.")
    @Flag(help: "Print as JSON.") var json = false
    @Flag(name: .shortAndLong, help: "Print the nodes' names alone.") var quiet = false

    func run() throws {
        let nodes = try Connection.open().client.nodes()
        if json { return JSONOutput.write(NodeList(nodes: nodes)) }
        if quiet { return Terminal.write(nodes.map { "\($0.name)\n" }.joined()) }
        Terminal.write(NodeList(nodes: nodes).table())
    }
}

/// Nodes as JSON, and as a table.
struct NodeList: Encodable {
    let schema = JobModel.schemaVersion
    let nodes: [ServerStatus.Node]

    init(nodes: [ServerStatus.Node]) { self.nodes = nodes }

    /// Those of these names.
    init(nodes: [ServerStatus.Node], named names: [String]) {
        self.nodes = nodes.filter { names.contains($0.name) }
    }

    func table() -> String {
        var table = Table([
            .init("node"), .init("state"), .init("CPUs free", .right), .init("memory free", .right),
            .init("GPUs free", .right), .init("tasks", .right), .init("labels"), .init(""),
        ])
        for node in nodes {
            let isKnown = node.cpus > 0
            table.add([
                node.name, node.state.rawValue,
                isKnown ? "\(node.freeCPUs)/\(node.cpus)" : "–",
                isKnown ? "\(Words.size(node.freeMemory))/\(Words.size(node.memory))" : "–",
                isKnown ? "\(node.freeGPUs)/\(node.gpus)" : "–", "\(node.tasks)",
                node.labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
                    .joined(separator: " "),
                ([node.reason].compactMap { $0 }
                    + (node.closedGPUs ?? [:]).sorted { $0.key < $1.key }.map {
                        "GPU \($0.key) gets no work: \($0.value)"
                    }).joined(separator: "; "),
            ])
        }
        let width = Terminal.isOutputTerminal ? Terminal.width : nil
        return table.lines(width: width).joined(separator: "\n") + "\n"
    }
}

struct NodesDrain: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain",
        abstract: "Start nothing more on nodes; what runs there ends by itself.")
    @Argument(help: "Names or ranges: gpu[01-16].", completion: Completions.nodes) var nodes:
        [String]
    @Option(help: "Why, for whoever wonders.") var reason: String?
    @Flag(help: "End running tasks, too, and queue them again.") var requeue = false
    @Flag(help: "Print as JSON.") var json = false

    func run() throws {
        let client = try Connection.open().client
        let names = try NodeNames.expand(nodes)
        for name in names {
            try client.change(name, NodeRequest(.drain, reason: reason, force: requeue))
        }
        if json { JSONOutput.write(try NodeList(nodes: client.nodes(), named: names)) }
    }
}

struct NodesUndrain: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "undrain", abstract: "Let drained or quarantined nodes take work again.")
    @Argument(help: "Names or ranges: gpu[01-16].", completion: Completions.nodes) var nodes:
        [String]
    @Flag(help: "Print as JSON.") var json = false

    func run() throws {
        let client = try Connection.open().client
        let names = try NodeNames.expand(nodes)
        for name in names { try client.change(name, NodeRequest(.undrain)) }
        if json { JSONOutput.write(try NodeList(nodes: client.nodes(), named: names)) }
    }
}

struct NodesRemove: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "rm", abstract: "Forget nodes.")
    @Argument(help: "Names or ranges: gpu[01-16].", completion: Completions.nodes) var nodes:
        [String]
    @Flag(help: "Also those that have tasks, which are taken for lost.") var force = false
    @Flag(help: "Print as JSON.") var json = false

    func run() throws {
        let client = try Connection.open().client
        let names = try NodeNames.expand(nodes)
        for name in names { try client.change(name, NodeRequest(.remove, force: force)) }
        if json { JSONOutput.write(NodeRemovalList(removed: names)) }
    }
}

import ArgumentParser
import JobModel
import JobServer
import ServerAPI
import TerminalUI

struct NodesCheck: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Tell what is wrong with nodes, and what to do about each finding.")
    @Argument(
        help: "Names or ranges: gpu[01-16]; all nodes where none is named.",
        completion: Completions.nodes)
    var nodes: [String] = []
    @Flag(help: "Print as JSON.") var json = false

    func run() throws {
        let client = try Connection.open().client
        let names = Set(try NodeNames.expand(nodes))
        let known = try client.nodes()
        if let unknown = names.subtracting(known.map(\.name)).min() {
            throw Failure(
                .usage, "there is no node \(unknown)", hint: "`martlet nodes ls` lists them")
        }
        let asked = known.filter { names.isEmpty || names.contains($0.name) }
        if json {
            JSONOutput.write(NodeList(nodes: asked))
        } else {
            for node in asked { Self.tell(node) }
        }
        let isSound = asked.allSatisfy { node in
            node.isJoined && !node.findings.contains { $0.severity == .error }
        }
        guard isSound else { throw ExitCode(.infrastructure) }
    }

    private static func tell(_ node: ServerStatus.Node) {
        var lines = [
            node.name + (node.destination.map { " (\($0))" } ?? "") + ": " + node.state.rawValue
                + (node.reason.map { ", \($0)" } ?? "")
        ]
        for finding in node.findings {
            lines.append("  \(finding.severity.rawValue): \(finding.what)")
            lines.append("    \(finding.remedy)")
        }
        if node.isJoined, node.findings.isEmpty, node.failures.isEmpty {
            lines[0] += ", nothing found"
        }
        if node.spec?.pulls == true { lines.append("  pulls images by itself") }
        for failure in node.failures { lines.append("  failed at once: \(failure)") }
        Terminal.write(lines.joined(separator: "\n") + "\n")
    }
}

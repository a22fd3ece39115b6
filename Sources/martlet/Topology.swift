import ArgumentParser
import LinuxSystem
import TerminalUI
import Topology

struct TopologyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "topology",
        abstract: "Show this machine's packages, NUMA nodes, caches, cores and GPUs.",
        discussion: """
            What a node offers to tasks is decided by this: the CPUs that this process may use, and the memory and GPUs \
            beside them. --json says all that is known.
            """)

    @Flag(help: "Print as JSON.") var json = false
    @Option(help: "Read another machine's /sys, /proc and /etc/cdi below this directory.")
    var sysroot: String?

    func run() throws {
        let node =
            try sysroot.map { root throws(SystemError) in try NodeTopology.read(root: root) }
            ?? NodeTopology.readThisMachine()
        let registry = try CDIRegistry.read(root: sysroot ?? "/")
        if json { return JSONOutput.write(TopologyDocument(node, registry)) }
        let drawing = TopologyDrawing(
            node, width: Terminal.width, isColoured: Terminal.hasColour)
        let devices = registry.names.map { "CDI device \($0)" }
        let problems = registry.problems.map { Style.warning("note: \($0)") }
        Terminal.write((drawing.lines + devices + problems).map { $0 + "\n" }.joined())
    }
}

import ArgumentParser
import Foundation
import JobModel
import LinuxSystem
import Simulation
import SpecFile
import TerminalUI
import Topology

struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run jobs on a cluster that is only described, in virtual time.",
        discussion: """
            The cluster, YAML or JSON, names groups of nodes and how long tasks run:

              nodes:
                - {name: gpu, count: 8, packages: 2, numa: 2, cores: 64, smt: 2, memory: 512GiB,
                   gpus: {count: 8, model: H100, memory: 80GiB, link: nvlink}}
                - {name: cpu, count: 32, cores: 32, memory: 128GiB,
                   failures: {every: 20d, repair: 2h}}
                - {name: like-ours, sysroot: captured/tree}
              durations: {train: "lognormal(40m, 0.6)", prepare: 5m, "*": "uniform(1m, 5m)"}
              submit: {train: 10m}
              seed: 7
            """)

    @Argument(help: "The cluster.", completion: .file(extensions: ["yaml", "yml", "json"]))
    var cluster: String
    @Argument(
        help: "Specs of jobs, submitted in this order.",
        completion: .file(extensions: ["yaml", "yml", "json"]))
    var specs: [String]
    @Option(help: "Seed in place of the cluster's.") var seed: UInt64?
    @Option(help: "Write a drawing of nodes and time to this file.", completion: .file())
    var svg: String?
    @Option(help: "Columns of the drawing; those of the terminal where nothing is said.")
    var width: Int?
    @Flag(help: "Draw nothing.") var quiet = false
    @Flag(help: "Print as JSON.") var json = false

    func run() throws {
        let file = try readCluster()
        let scenario = Scenario(
            nodes: try file.groups.flatMap(nodes), jobs: try specs.map { try job($0, file) },
            seed: seed ?? file.seed)
        var outcome: ScenarioOutcome?
        let time = ContinuousClock().measure { outcome = ScenarioRun.outcome(of: scenario) }
        guard var outcome else { return }
        let seconds = Double(time.components.seconds) + Double(time.components.attoseconds) / 1e18
        outcome.decisionsPerSecond = Double(outcome.decisions) / max(seconds, 1e-6)
        if let svg, let chart = outcome.chart {
            try Files.writeAtomically(svg, Array(chart.svg().utf8), durable: false)
        }
        if json { return JSONOutput.write(outcome) }
        SimulationReport(outcome: outcome, width: width ?? Terminal.width).write(isDrawn: !quiet)
    }

    private func readCluster() throws -> ClusterFile {
        try ClusterFile.parse(
            text: try text(cluster), path: cluster, directory: directory(of: cluster))
    }

    private func text(_ path: String) throws -> String {
        do throws(SystemError) {
            return try Files.text(path, limit: 1 << 30)
        } catch {
            throw Failure(.usage, "\(error)")
        }
    }

    private func directory(of path: String) -> String {
        let here = FileManager.default.currentDirectoryPath
        return URL(fileURLWithPath: path, relativeTo: URL(fileURLWithPath: here))
            .deletingLastPathComponent().path
    }

    private func nodes(_ group: NodeGroup) throws -> [Scenario.Node] {
        guard let root = group.sysroot else { return group.nodes() }
        return group.nodes(try NodeTopology.read(root: root).inventory(hostname: group.name))
    }

    private func job(_ path: String, _ file: ClusterFile) throws -> Scenario.Job {
        let here = FileManager.default.currentDirectoryPath
        let spec = try SpecFile.parse(
            text: try text(path), path: path, directory: directory(of: path),
            workingDirectory: here, home: NSHomeDirectory())
        return Scenario.Job(
            spec, taskCount: try SweepExpansion(spec.sweep).count,
            submitted: file.submissions[spec.name] ?? 0, duration: file.duration(of: spec.name))
    }
}

/// What a person reads of a simulation.
struct SimulationReport {
    let outcome: ScenarioOutcome
    let width: Int

    func write(isDrawn: Bool) {
        Terminal.write(head.joined(separator: "\n") + "\n\n")
        Terminal.write(jobs.lines(width: max(60, width)).joined(separator: "\n") + "\n")
        for job in outcome.jobs {
            if let reason = job.reason {
                Terminal.write(Style.warning("job \(job.id) did not end: \(reason)") + "\n")
            }
        }
        guard isDrawn, let chart = outcome.chart, outcome.decisions > 0 else { return }
        var paint: ((String, Int?) -> String)?
        if Terminal.hasColour { paint = Self.paint }
        Terminal.write("\n" + chart.text(width: width, paint: paint))
    }

    private var head: [String] {
        let noun = outcome.nodes == 1 ? "node" : "nodes"
        let size = "\(outcome.nodes) \(noun), \(outcome.cpus) CPUs, \(outcome.gpus) GPUs"
        var lines = [size + "; seed \(outcome.seed)"]
        lines.append(Self.line("makespan", Chart.time(outcome.makespan)))
        lines.append(Self.line("utilisation", Self.both(outcome.utilisation)))
        let idle = Self.both(outcome.fragmentation)
        lines.append(Self.line("fragmentation", idle + " idle while tasks waited"))
        lines.append(Self.line("waiting", waiting))
        if outcome.nodeFailures > 0 {
            let lost = "\(outcome.nodeFailures) of nodes, \(outcome.lostAttempts) attempts lost"
            lines.append(Self.line("failures", lost))
        }
        var decisions = String(outcome.decisions)
        if let rate = outcome.decisionsPerSecond { decisions += ", \(Int(rate)) a second" }
        lines.append(Self.line("decisions", decisions))
        return lines
    }

    private var waiting: String {
        let mean = Chart.time(outcome.waiting.mean)
        let (late, longest) = (Chart.time(outcome.waiting.p95), Chart.time(outcome.waiting.longest))
        return "mean \(mean), p95 \(late), longest \(longest)"
    }

    private static func line(_ name: String, _ text: String) -> String {
        "  " + name + String(repeating: " ", count: max(1, 15 - name.count)) + text
    }

    private static func both(_ value: ScenarioOutcome.Share) -> String {
        let cpu = "CPU \(percent(value.cpu))"
        guard let gpu = value.gpu else { return cpu }
        return cpu + ", GPU \(percent(gpu))"
    }

    private static func percent(_ share: Double) -> String {
        Words.number((share * 1000).rounded() / 10) + " %"
    }

    private var jobs: Table {
        var table = Table([
            .init("job", .right), .init("name"), .init("state"), .init("tasks", .right),
            .init("submitted", .right), .init("ended", .right), .init("waits", .right),
            .init("p95", .right), .init("CPU h", .right), .init("GPU h", .right),
        ])
        for job in outcome.jobs {
            table.add([
                "\(job.id)", job.name, job.state.rawValue, "\(job.counts.total)",
                Chart.time(job.submitted), job.ended.map(Chart.time) ?? "",
                Chart.time(job.waiting.mean), Chart.time(job.waiting.p95),
                Words.number((job.cpuHours * 10).rounded() / 10),
                Words.number((job.gpuHours * 10).rounded() / 10),
            ])
        }
        return table
    }

    /// xterm's 256 colours, apart from each other for most eyes.
    private static func paint(_ text: String, _ slot: Int?) -> String {
        guard let slot else { return Style.faint(text, true) }
        let colours = [33, 214, 36, 166, 117, 175, 227, 245, 74, 222, 79, 209]
        return "\u{1b}[38;5;\(colours[slot % colours.count])m\(text)\u{1b}[0m"
    }
}

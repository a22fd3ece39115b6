import ArgumentParser
import JobModel
import ServerAPI
import TerminalUI

struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show a job and its tasks: where each ran, and why it ended as it did.")

    @Argument(help: "last, 42, 42_7, 42_[3-9], a name, or NAME_7.", completion: Completions.jobs)
    var job: String = "last"
    @Flag(help: "Print as JSON.") var json = false

    func run() throws {
        let connection = try Connection.open()
        let selection = try connection.resolve([job])[0]
        let report = try connection.client.report(ReportRequest(selection))
        if json { return JSONOutput.write(report) }
        writeHead(report)
        if selection.ranges != nil, report.tasks.count == 1 {
            return writeTask(report, report.tasks[0])
        }
        writeTasks(report)
    }

    private func writeHead(_ job: JobReport) {
        var lines = ["job \(job.id)  \(job.name)  \(job.state.rawValue)"]
        if let reason = job.reason { lines.append("  \(reason)") }
        lines.append(
            "  image      \(job.image.reference)"
                + (job.image.digest.map { " (\($0.prefix(19)))" } ?? ""))
        lines.append("  submitted  \(job.submitted)" + (job.ended.map { ", ended \($0)" } ?? ""))
        if let best = job.best {
            lines.append("  best       \(BestText.text(best, titled: false))")
        }
        if let confinement = job.confinement { lines.append("  confined   \(confinement)") }
        lines.append("  files      \(job.directory)")
        for note in job.notes ?? [] { lines.append("  note       \(note)") }
        Terminal.write(lines.joined(separator: "\n") + "\n\n")
    }

    private func writeTasks(_ job: JobReport) {
        let hasPorts = job.tasks.contains { !$0.ports.isEmpty }
        var table = Table(
            [
                .init("task", .right), .init("attempt", .right), .init("state"),
                .init("exit", .right), .init("node"), .init("cpus"),
            ] + (hasPorts ? [.init("ports")] : []) + [.init("point"), .init("reason")])
        for task in job.tasks {
            table.add(
                [
                    "\(task.index)", "\(task.attempt)", task.state.rawValue,
                    task.exitCode.map(String.init) ?? task.signal.map { "sig \($0)" } ?? "",
                    Self.nodes(task), task.cpus.map(String.init).joined(separator: ","),
                ] + (hasPorts ? [Self.ports(task)] : []) + [Self.point(task), task.reason ?? ""])
        }
        Terminal.write(
            table.lines(width: Terminal.isOutputTerminal ? Terminal.width : nil).joined(
                separator: "\n") + "\n")
    }

    private static func nodes(_ task: TaskReport) -> String {
        task.nodes?.joined(separator: ",") ?? task.node ?? ""
    }

    private func writeTask(_ job: JobReport, _ task: TaskReport) {
        var rows: [(String, String?)] = [
            ("task", "\(job.id)_\(task.index), attempt \(task.attempt)"),
            ("state", task.state.rawValue), ("reason", task.reason),
            ("point", Self.point(task)), ("exit", task.exitCode.map(String.init)),
            ("signal", task.signal.map(String.init)),
            (task.nodes == nil ? "node" : "nodes", Self.nodes(task)),
            ("cpus", task.cpus.map(String.init).joined(separator: ",")),
            ("NUMA nodes", task.numaNodes.map(String.init).joined(separator: ",")),
            ("ports", Self.ports(task)), ("started", task.started), ("ended", task.ended),
            ("stdout", task.stdout), ("stderr", task.stderr),
        ]
        if let held = task.enforcement {
            rows.append(
                ("enforced", "cpu by \(held.cpu), memory by \(held.memory), pids by \(held.pids)"))
            rows.append(("bound", Self.binding(held)))
        }
        if let peak = task.peakMemory, peak > 0 {
            rows.append(("memory", "\(Words.size(peak)) at most"))
        }
        if let seconds = task.cpuSeconds { rows.append(("CPU time", Words.duration(seconds))) }
        for (name, value) in task.metrics.sorted(by: { $0.key < $1.key }) {
            rows.append((name, Words.number(value)))
        }
        for (name, absence) in (task.missingMetrics ?? [:]).sorted(by: { $0.key < $1.key }) {
            rows.append((name, "missing: " + absence))
        }
        for (name, value) in rows where value?.isEmpty == false {
            Terminal.write(
                "  " + name + String(repeating: " ", count: max(1, 12 - name.count)) + (value ?? "")
                    + "\n")
        }
    }

    /// `CPUs by cgroup-v1, memory policy bind, memory by cgroup-v1`; empty where it is bound to nothing.
    private static func binding(_ held: Enforcement) -> String {
        [
            ("CPUs by", held.cpuBinding), ("memory policy", held.memoryPolicy),
            ("memory by", held.memoryBinding),
        ].filter { $0.1 != "none" }.map { "\($0) \($1)" }.joined(separator: ", ")
    }

    private static func ports(_ task: TaskReport) -> String {
        task.ports.map(\.mapping.description).joined(separator: ", ")
    }

    private static func point(_ task: TaskReport) -> String {
        task.params.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(
            separator: " ")
    }
}

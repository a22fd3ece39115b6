import ArgumentParser
import JobModel
import ServerAPI
import SpecFile
import TerminalUI

struct Report: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            "Tell what the last hours brought: what ran, failed and was tried again, and how well nodes were used."
    )

    @Option(help: "How far to look back: 12h, 3d.") var since = "12h"
    @Flag(help: "Print as JSON.") var json = false

    func run() throws {
        guard let milliseconds = Rendering.duration(since), milliseconds > 0 else {
            throw Failure(.usage, "--since \(since): write 12h or 3d")
        }
        let report = try Connection.open().client.night(milliseconds)
        if json { return JSONOutput.write(report) }
        Terminal.write(
            NightText(report, width: Terminal.isOutputTerminal ? Terminal.width : nil).lines.joined(
                separator: "\n") + "\n")
    }
}

/// The report as a person reads it in the morning: the whole first, then what needs a look.
struct NightText {
    let report: NightReport
    let width: Int?

    init(_ report: NightReport, width: Int?) {
        self.report = report
        self.width = width
    }

    var lines: [String] {
        var lines = ["\(report.from.prefix(16)) to \(report.to.prefix(16)) UTC"]
        guard !report.jobs.isEmpty else { return lines + ["no job ran"] + nodes }
        lines += [jobLine, taskLine, ""] + jobs
        lines += failures
        lines += nodes
        return lines
    }

    private var jobLine: String {
        var states: [JobState: Int] = [:]
        for job in report.jobs { states[job.state, default: 0] += 1 }
        return Self.count(report.jobs.count, "job") + ": "
            + states.sorted { $0.key.rawValue < $1.key.rawValue }
            .map { "\($0.value) \($0.key.rawValue)" }.joined(separator: ", ")
    }

    private var taskLine: String {
        let ended = report.ended
        let parts = TaskState.allCases.filter { ended[$0] > 0 }.map {
            "\(ended[$0]) \($0.rawValue)"
        }
        let retried = report.jobs.reduce(0) { $0 + $1.retried }
        let seconds = report.jobs.reduce(0) { $0 + $1.retriedSeconds }
        var line = Self.count(ended.finished, "task") + " ended"
        if !parts.isEmpty { line += ": " + parts.joined(separator: ", ") }
        guard retried > 0 else { return line }
        return line
            + "; \(Self.count(retried, "attempt")) tried again after \(Words.duration(seconds)) in all"
    }

    private var jobs: [String] {
        var table = Table([
            .init("job", .right), .init("name"), .init("state"), .init("done", .right),
            .init("failed", .right), .init("retried", .right), .init("task time", .right),
            .init(""),
        ])
        for job in report.jobs {
            table.add([
                "\(job.id)", job.name, job.state.rawValue,
                "\(job.counts.finished)/\(job.counts.total)",
                "\(job.counts.failed + job.counts.lost)", "\(job.retried)",
                Words.duration(job.taskSeconds), job.reason ?? "",
            ])
        }
        return table.lines(width: width)
    }

    private var failures: [String] {
        let failed = report.jobs.filter { !$0.failures.isEmpty }
        guard !failed.isEmpty else { return [] }
        var lines = ["", "failed"]
        for job in failed {
            for failure in job.failures {
                lines.append(
                    "  \(failure.tasks) of \(job.id), \(job.name): \(failure.reason); see martlet logs \(job.id)_\(failure.first)"
                )
            }
            if job.moreFailures > 0 {
                lines.append("  \(job.moreFailures) more of \(job.id): martlet show \(job.id)")
            }
        }
        let again = failed.filter { $0.state.isFinal }.map { "\($0.id)" }
        if !again.isEmpty {
            lines.append("  once more: martlet retry \(again.joined(separator: " "))")
        }
        return lines
    }

    private var nodes: [String] {
        guard !report.nodes.isEmpty else { return [] }
        var table = Table([
            .init("node"), .init("tasks", .right), .init("CPUs used", .right),
            .init("GPUs used", .right),
        ])
        for node in report.nodes {
            table.add([
                node.name, "\(node.tasks)", Self.percent(node.cpuShare),
                Self.percent(node.gpuShare),
            ])
        }
        let incidents = report.incidents.map { event in
            "  \(event.time.prefix(16)) \(event.node ?? "a node") "
                + (event.kind == .nodeQuarantined ? "put into quarantine" : "went away")
                + (event.reason.map { ": \($0)" } ?? "")
        }
        return [""] + table.lines(width: width) + incidents
    }

    private static func count(_ number: Int, _ noun: String) -> String {
        "\(number) \(noun)\(number == 1 ? "" : "s")"
    }

    private static func percent(_ share: Double?) -> String {
        share.map { "\(Words.number(($0 * 1000).rounded() / 10)) %" } ?? "–"
    }
}

import JobModel
import Testing

@testable import TerminalUI

@Suite("Comparison tables")
struct ComparisonTableTests {
    private static func report(_ count: Int) -> ComparisonReport {
        ComparisonReport(
            (0..<count).map { place in
                var spec = JobSpec(name: "sweep\(place)", image: "host", command: ["train"])
                spec.metrics = [MetricGoal(name: "loss", direction: .min)]
                spec.env = ["N": "\(place)"]
                var counts = TaskCounts()
                counts.succeeded = 1
                let summary = JobSummary(
                    id: JobID(Int64(place + 1)), name: spec.name, state: .succeeded, reason: nil,
                    counts: counts, image: ImageReport(reference: "host", digest: nil),
                    submitted: "", started: nil, ended: nil, directory: "/d", lastFailure: nil)
                let row = ResultsReport.Row(
                    index: 0, state: .succeeded, params: ["lr": .int(1)],
                    metrics: ["loss": Double(place)], seconds: 1)
                return .init(
                    summary, spec,
                    ResultsReport(
                        id: summary.id, name: spec.name, parameterNames: ["lr"],
                        metricNames: ["loss"], goals: spec.metrics, points: [row]))
            })
    }

    @Test("jobs stand side by side, the best marked")
    func sideBySide() {
        #expect(
            ComparisonTable.lines(Self.report(2), width: nil) == [
                "             1 sweep0            2 sweep1",
                "state        succeeded           succeeded",
                "tasks        1 succeeded         1 succeeded",
                "a task       1.0s in the middle  1.0s in the middle",
                "all tasks    1.0s                1.0s",
                "best loss ↓  0 *                 1",
                "  its task   0 lr=1              0 lr=1",
                "name         sweep0              sweep1",
                "env          N=0                 N=1",
            ])
    }

    @Test(
        "no line is wider than the terminal, however many jobs there are", arguments: [20, 60, 80])
    func narrow(width: Int) {
        let lines = ComparisonTable.lines(Self.report(7), width: width)
        #expect(lines.allSatisfy { $0.count <= width }, "\(lines)")
        for place in 1...7 { #expect(lines.contains { $0.contains("\(place) sw") }) }
    }

    @Test("the best so far is one line, also in the block of progress")
    func best() {
        var best = BestReport(
            MetricGoal(name: "loss", direction: .min), 0.25, task: 17,
            params: ["lr": .double(0.5), "a": .string("x")])
        #expect(BestText.text(best) == "best loss 0.25 · task 17 · a=x lr=0.5")
        best.isRunning = true
        #expect(BestText.text(best, titled: false).hasPrefix("loss 0.25"))
        #expect(BestText.text(best).hasSuffix(" · still running"))
        var counts = TaskCounts()
        counts.queued = 5
        var job = JobSummary(
            id: JobID(3), name: "n", state: .running, reason: nil, counts: counts,
            image: ImageReport(reference: "host", digest: nil), submitted: "", started: nil,
            ended: nil, directory: "/d", lastFailure: nil)
        job.best = best
        let block = ProgressBlock(job: job, elapsed: 1, finishedAtStart: 0)
        #expect(block.lines(width: 30, colour: false).contains("  best loss 0.25 · task 17 · …"))
        #expect(block.plainLine.contains("best loss 0.25 · task 17"))
    }
}

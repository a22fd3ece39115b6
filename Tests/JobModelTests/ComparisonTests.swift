import JobModel
import Testing

@Suite("Comparisons")
struct ComparisonTests {
    private static func source(
        _ id: Int64, _ losses: [Double?], _ change: (inout JobSpec) -> Void = { _ in }
    ) -> ComparisonReport.Source {
        var spec = JobSpec(name: "n\(id)", image: "host", command: ["train"])
        spec.metrics = [MetricGoal(name: "loss", direction: .min)]
        change(&spec)
        var counts = TaskCounts()
        counts.succeeded = losses.count
        let summary = JobSummary(
            id: JobID(id), name: spec.name, state: .succeeded, reason: nil, counts: counts,
            image: ImageReport(reference: "host", digest: nil), submitted: "", started: nil,
            ended: nil, directory: "/d", lastFailure: nil)
        let rows = losses.enumerated().map { index, loss in
            ResultsReport.Row(
                index: index, state: .succeeded, params: ["lr": .int(Int64(index))],
                metrics: loss.map { ["loss": $0, "acc": -$0] } ?? [:], seconds: Double(index))
        }
        return .init(
            summary, spec,
            ResultsReport(
                id: JobID(id), name: spec.name, parameterNames: ["lr"],
                metricNames: ["loss", "acc"], goals: spec.metrics, points: rows))
    }

    @Test("each job's best stands beside the others', and the best of them is marked")
    func best() {
        let report = ComparisonReport([
            Self.source(1, [3, nil, 1, 2]),
            Self.source(2, [5, 0.5]) {
                $0.metrics.append(MetricGoal(name: "acc", direction: .max, source: .log("(x)")))
            },
            Self.source(3, [nil]),
        ])
        let loss = report.jobs.map { $0.best[0] }
        #expect(loss.map(\.value) == [1, 0.5, nil] && loss.map(\.task) == [2, 1, nil])
        #expect(loss.map(\.isBest) == [false, true, false])
        #expect(loss[0].params == ["lr": .int(2)])
        let acc = report.jobs.map { $0.best[1] }
        #expect(acc.map(\.goal) == [nil, .max, nil] && acc.map(\.value) == [-1, -0.5, nil])
        #expect(report.jobs[0].medianSeconds == 2 && report.jobs[0].taskSeconds == 6)
    }

    @Test("where jobs disagree on what is best, none is")
    func disagreement() {
        let report = ComparisonReport([
            Self.source(1, [3, 1]),
            Self.source(2, [3, 1]) { $0.metrics[0].direction = .max },
        ])
        #expect(report.jobs.map { $0.best[0].value } == [1, 3])
        #expect(report.jobs.allSatisfy { !$0.best[0].isBest })
    }

    @Test("what differs is told for every job")
    func differences() {
        let report = ComparisonReport([
            Self.source(1, [1]) { $0.name = "n" },
            Self.source(2, [1]) {
                $0.name = "n"
                $0.command = ["train", "fast"]
            },
            Self.source(3, [1]) {
                $0.name = "n"
                $0.limits.parallel = 4
            },
        ])
        #expect(report.differences.map(\.key) == ["command", "limits.parallel"])
        #expect(report.differences[0].values == ["train", "train fast", "train"])
        #expect(report.differences[1].values == [nil, nil, "4"])
    }
}

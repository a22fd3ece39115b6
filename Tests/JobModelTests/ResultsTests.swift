import JobModel
import Testing

@Suite("Results")
struct ResultsTests {
    private static func report() -> ResultsReport {
        func row(
            _ index: Int, _ lr: Double, _ metrics: [String: Double], _ state: TaskState = .succeeded
        )
            -> ResultsReport.Row
        {
            ResultsReport.Row(
                index: index, state: state,
                params: ["lr": .number(lr), "kind": .string("k\(index % 2)")],
                metrics: metrics, seconds: index == 3 ? nil : Double(10 - index))
        }
        return ResultsReport(
            id: JobID(1), name: "n", parameterNames: ["lr", "kind"], metricNames: ["loss", "acc"],
            goals: [.init(name: "loss", direction: .min), .init(name: "acc", direction: .max)],
            points: [
                row(0, 0.1, ["loss": 0.5, "acc": 0.7]),
                row(1, 0.001, ["loss": 0.25, "acc": 0.9], .stopped),
                row(2, 1, ["loss": 0.75, "acc": 0.8]), row(3, 0.01, [:], .failed),
            ])
    }

    @Test(
        "a condition is about parameters, metrics and what every row has",
        arguments: [
            ("lr < 0.05", [1, 3]), ("loss <= 0.5 and acc > 0.8", [1]),
            ("state == \"stopped\"", [1]),
            ("not loss > 0.5", [0, 1]), ("seconds > 8 or index == 3", [0, 1, 3]),
            ("kind == \"k0\"", [0, 2]),
        ])
    func conditions(text: String, kept: [Int]) throws {
        var report = Self.report()
        try report.keep(where: text)
        #expect(report.points.map(\.index) == kept)
    }

    @Test("a name that no result has is told, where it stands")
    func unknown() throws {
        let error = try #require(throws: SweepExpression.Malformed.self) {
            var report = Self.report()
            try report.keep(where: "lr > 0 and los < 1")
        }
        #expect(error.offset == 11 && error.message.contains("loss"))
    }

    @Test(
        "the best of a metric comes first, all else rises, and what is missing comes last",
        arguments: [
            ("loss", false, [1, 0, 2, 3]), ("acc", false, [1, 2, 0, 3]),
            ("acc", true, [0, 2, 1, 3]),
            ("lr", false, [1, 3, 0, 2]), ("kind", false, [0, 2, 1, 3]),
            ("seconds", false, [2, 1, 0, 3]),
        ])
    func orders(name: String, isReversed: Bool, order: [Int]) {
        var report = Self.report()
        let isKnown = report.sort(by: name, isReversed: isReversed)
        #expect(isKnown)
        #expect(report.points.map(\.index) == order)
        let isNothingKnown = report.sort(by: "nothing", isReversed: false)
        #expect(!isNothingKnown)
    }
}

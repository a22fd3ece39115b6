import JobModel
import Testing

@Suite("Specs that differ")
struct SpecDifferenceTests {
    private static func sweep(_ change: (inout ParameterSweep) -> Void) -> ParameterSweep {
        var sweep = ParameterSweep()
        change(&sweep)
        return sweep
    }

    private static func axis(_ name: String, _ values: Int64...) -> ParameterSweep.Axis {
        .init(name: name, values: .list(values.map { .int($0) }))
    }

    private static func points(_ sweep: ParameterSweep) throws -> [String] {
        let expansion = try SweepExpansion(sweep)
        return (0..<expansion.count).map { index in
            expansion.point(at: index).parameters.sorted { $0.name < $1.name }
                .map { "\($0.name)\($0.value)" }.joined()
        }
    }

    @Test("differences are told by the keys that people write, with what they can read")
    func keys() {
        let old = JobSpec(name: "a", image: "x", command: ["train", "--lr", "{lr}"])
        var new = old
        #expect(SpecDifference(old, new).keys.isEmpty)
        new.command = ["train", "two words"]
        new.limits.time = 5
        new.retry.attempts = 3
        new.sweep.grid = [Self.axis("lr", 1)]
        new.sweep.condition = "lr > 0"
        let difference = SpecDifference(old, new)
        #expect(
            difference.keys == ["command", "limits.time", "retry", "sweep.grid.lr", "sweep.where"])
        #expect(difference.changes[0].before == "train --lr {lr}")
        #expect(difference.changes[0].after == "train 'two words'")
        #expect(difference.changes[3].before == nil && difference.changes[3].after == "1")
    }

    @Test("metrics are told one by one, or by their order")
    func metrics() {
        var old = JobSpec(name: "a", image: "x", command: [])
        old.metrics = [
            MetricGoal(name: "a", direction: .min), MetricGoal(name: "b", direction: .max),
        ]
        var new = old
        new.metrics[0].source = .file("m.json", key: "x.a")
        let change = SpecDifference(old, new).changes
        #expect(
            change == [
                SpecChange(key: "metrics.a", before: "min", after: "min, from x.a of m.json")
            ])
        new.metrics = old.metrics.reversed()
        #expect(
            SpecDifference(old, new).changes == [
                SpecChange(key: "metrics", before: "a, b", after: "b, a")
            ])
        new.metrics = [old.metrics[1]]
        #expect(SpecDifference(old, new).keys == ["metrics.a"])
    }

    @Test("an edited sweep keeps the job's points where they are, and adds the new ones")
    func continuation() throws {
        let old = Self.sweep { $0.grid = [Self.axis("a", 1, 2), Self.axis("b", 1, 2)] }
        // In another order, with one value more and one less.
        let new = Self.sweep { $0.grid = [Self.axis("b", 2, 3), Self.axis("a", 1, 2)] }
        let continuation = try SweepContinuation(
            of: SweepExpansion(old), old, as: SweepExpansion(new))
        #expect(
            try Self.points(continuation.sweep) == [
                "a1b1", "a1b2", "a2b1", "a2b2", "a1b3", "a2b3",
            ])
        #expect(continuation.count == 6 && continuation.added == 2)
        #expect(continuation.dropped == [0..<1, 2..<3])
        // The same once more adds nothing.
        let again = try SweepContinuation(
            of: SweepExpansion(continuation.sweep), continuation.sweep, as: SweepExpansion(new))
        #expect(again.added == 0 && again.count == 6 && again.dropped == [0..<1, 2..<3])
    }

    @Test("points with other parameters are other points")
    func otherParameters() throws {
        let old = Self.sweep { $0.grid = [Self.axis("a", 1)] }
        let new = Self.sweep { $0.grid = [Self.axis("a", 1), Self.axis("b", 1)] }
        let error = #expect(throws: SweepError.self) {
            try SweepContinuation(of: SweepExpansion(old), old, as: SweepExpansion(new))
        }
        #expect("\(error.map { "\($0)" } ?? "")".contains("new: b"))
    }
}

import JobModel
import SpecFile
import Testing

@Suite("Specs: metrics")
struct MetricSpecTests {
    private func parse(_ text: String, _ overrides: [SpecOverride] = []) throws -> JobSpec {
        try SpecFile.parse(
            text: "image: host\ncommand: [a]\n" + text, path: "sweep.yaml", overrides: overrides,
            directory: "/specs", workingDirectory: "/here", home: "/home/me")
    }

    @Test("a metric comes from MARTLET_METRICS, from the output or from a file")
    func sources() throws {
        let spec = try parse(
            """
            metrics:
              loss: min
              val_loss: {goal: min, log: "val_loss=([0-9.eE+-]+)"}
              acc: {goal: max, file: out/metrics.json, key: eval.acc}
              size: {goal: min, file: size}
            """)
        #expect(
            spec.metrics == [
                MetricGoal(name: "loss", direction: .min),
                MetricGoal(
                    name: "val_loss", direction: .min, source: .log("val_loss=([0-9.eE+-]+)")),
                MetricGoal(
                    name: "acc", direction: .max,
                    source: .file("out/metrics.json", key: "eval.acc")),
                MetricGoal(name: "size", direction: .min, source: .file("size", key: nil)),
            ])
    }

    @Test("flags alone name one, and lie over the file's")
    func flags() throws {
        func flag(_ path: [String], _ value: String, _ origin: String) -> SpecOverride {
            SpecOverride(["metrics"] + path, value, origin: origin)
        }
        let log = flag(["acc", "log"], "acc=(.*)", "--metric-log")
        #expect(
            try parse("", [flag(["acc"], "max", "--metric"), log]).metrics == [
                MetricGoal(name: "acc", direction: .max, source: .log("acc=(.*)"))
            ])
        #expect(
            try parse("metrics: {acc: max}", [log]).metrics.first?.source == .log("acc=(.*)"))
        // The flag's source stands in the place of the file's.
        #expect(
            try parse("metrics: {acc: {goal: max, file: a.json, key: b}}", [log]).metrics == [
                MetricGoal(name: "acc", direction: .max, source: .log("acc=(.*)"))
            ])
        #expect(
            try parse(
                "metrics: {acc: {goal: max, log: \"(x)\"}}", [flag(["acc"], "min", "--metric")]
            ).metrics == [MetricGoal(name: "acc", direction: .min, source: .log("(x)"))])
    }

    @Test("a search counts matches of the output as its steps")
    func search() throws {
        let spec = try parse(
            "metrics: {a: {goal: min, log: \"a=(.*)\"}}\nsearch: {method: asha}")
        #expect(spec.search?.metric.source == .log("a=(.*)"))
    }

    @Test(
        "mistakes are told where they stand",
        arguments: [
            ("metrics: {a: mim}", "sweep.yaml:3:14", "did you mean 'min'"),
            ("metrics: {a: {goal: mim}}", "sweep.yaml:3:21", "did you mean 'min'"),
            ("metrics: {a: {log: \"(a)\"}}", "sweep.yaml:3:14", "the best of a is missing"),
            ("metrics: {a: {goal: min, log: a=}}", "sweep.yaml:3:31", "has no group"),
            (
                "metrics: {a: {goal: min, log: \"(a)=(b)\"}}", "sweep.yaml:3:31",
                "has 2 groups"
            ),
            (
                "metrics: {a: {goal: min, log: \"(a\"}}", "sweep.yaml:3:31",
                "is no regular expression"
            ),
            (
                "metrics: {a: {goal: min, log: '(a)\\1'}}", "sweep.yaml:3:31",
                "refers back to its own match"
            ),
            (
                "metrics: {a: {goal: min, log: \"(a)\", file: b}}", "sweep.yaml:3:44",
                "not from both"
            ),
            ("metrics: {a: {goal: min, key: b}}", "sweep.yaml:3:31", "names none"),
            (
                "metrics: {a: {goal: min, file: ../b}}", "sweep.yaml:3:32",
                "does not lie in the task's results"
            ),
            (
                "metrics: {a: {goal: min, file: /b}}", "sweep.yaml:3:32",
                "does not lie in the task's results"
            ),
            (
                "metrics: {a: {goal: min, file: b, key: c..d}}", "sweep.yaml:3:40",
                "is no place in JSON"
            ),
            ("metrics: {a: {goal: min, lag: b}}", "sweep.yaml:3:26", "did you mean 'log'"),
            (
                "metrics: {a: {goal: min, file: b}}\nsearch: {method: asha}", "sweep.yaml:4:9",
                "read from a file when they have ended"
            ),
            (
                "metrics: {a: {goal: min, log: \"(a)\"}}\nsearch: {method: asha, step: epoch}",
                "sweep.yaml:4:30", "each match is a step"
            ),
        ])
    func mistakes(text: String, place: String, words: String) throws {
        let error = try #require(throws: SpecError.self) { try parse(text) }
        #expect("\(error)".contains(place + ":") && "\(error)".contains(words), "\(error)")
    }
}

import JobModel
import SpecFile
import Testing

@Suite("Specs: search")
struct SearchSpecTests {
    private func parse(_ text: String, _ overrides: [SpecOverride] = []) throws -> JobSpec {
        try SpecFile.parse(
            text: "image: host\ncommand: [a]\n" + text, path: "sweep.yaml", overrides: overrides,
            directory: "/specs", workingDirectory: "/here", home: "/home/me")
    }

    @Test("a search has a method, a metric of the spec's, and steps")
    func whole() throws {
        let search = try #require(
            try parse(
                """
                search: {method: asha, metric: acc, step: iteration, min: 2, max: 32, reduction: 4}
                metrics: {loss: min, acc: max}
                """
            ).search)
        #expect(search.method == .asha && search.metric == MetricGoal(name: "acc", direction: .max))
        #expect(search.step == "iteration" && search.min == 2 && search.max == 32)
        #expect(search.reduction == 4)
        #expect(try parse("metrics: {a: min}\nsearch: {method: asha}").`init`)
        #expect(try !parse("init: false\nmetrics: {a: min}\nsearch: {method: asha}").`init`)
        let short = try #require(
            try parse("metrics: {loss: min, acc: max}\nsearch: {method: median, peers: 5}").search)
        #expect(short.metric.name == "loss" && short.peers == 5 && short.min == 1)
        #expect(try parse("metrics: {loss: min}").search == nil)
    }

    @Test("flags alone make one, and lie over the file's")
    func flags() throws {
        let flags = [
            SpecOverride(["search", "method"], "asha", origin: "--search"),
            SpecOverride(["search", "max"], "81", origin: "--search-max"),
            SpecOverride(["metrics", "loss"], "min", origin: "--metric"),
        ]
        #expect(try parse("", flags).search?.max == 81)
        #expect(try parse("search: {method: median, max: 9}", flags).search?.method == .asha)
    }

    @Test(
        "mistakes are told where they stand",
        arguments: [
            ("search: {min: 1}", "sweep.yaml:3:9", "needs a method"),
            ("search: {method: ashaa}", "sweep.yaml:3:18", "did you mean 'asha'"),
            ("search: {method: asha}", "sweep.yaml:3:9", "the spec names none"),
            (
                "search: {method: asha, metric: los}\nmetrics: {loss: min}", "sweep.yaml:3:32",
                "did you mean 'loss'"
            ),
            (
                "metrics: {a: min}\nsearch: {method: asha, reduction: 1}", "sweep.yaml:4:35",
                "at least 2"
            ),
            (
                "metrics: {a: min}\nsearch: {method: asha, peers: 4}", "sweep.yaml:4:31",
                "peers is of median"
            ),
            (
                "metrics: {a: min}\nsearch: {method: asha, min: 9, max: 9}", "sweep.yaml:4:37",
                "nothing would be stopped"
            ),
            ("metrics: {a: min}\nsearch: {method: asha, min: 0}", "sweep.yaml:4:29", "above 0"),
        ])
    func mistakes(text: String, place: String, words: String) throws {
        let error = try #require(throws: SpecError.self) { try parse(text) }
        #expect("\(error)".contains(place) && "\(error)".contains(words), "\(error)")
    }
}

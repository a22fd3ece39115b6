import Foundation
import JobModel
import SpecFile
import Testing

@Suite("Specs: policies")
struct PolicySpecTests {
    private func parse(_ text: String, _ overrides: [SpecOverride] = []) throws -> JobSpec {
        try SpecFile.parse(
            text: "image: host\ncommand: [a]\n" + text, path: "sweep.yaml", overrides: overrides,
            directory: "/specs", workingDirectory: "/here", home: "/home/me")
    }

    @Test("causes are single codes, lists and ranges, signals, and what else there is")
    func causes() throws {
        let spec = try parse(
            """
            retry:
              attempts: 3
              on: [node_lost, "exit 75", "exit 1, 64-78", signal SIGBUS, "signal SEGV,11"]
              exclude_node: log /ECC error/
              backoff: {initial: 10s, jitter: 20%}
              time_factor: 1.5
            """)
        #expect(
            spec.retry.on == [
                .nodeLost, .exit(75), .exit(1), .exitRange(64...78), .signal(7), .signal(11),
                .signal(11),
            ])
        #expect(spec.retry.excludeNode == [.log("ECC error")])
        #expect(spec.retry.backoff.jitter == 0.2 && spec.retry.timeFactor == 1.5)
        #expect(spec.retry.causes.last == .log("ECC error"))
    }

    @Test("time limits are fixed, multiples of the median, or both; and the job may have one")
    func limits() throws {
        #expect(try parse("limits: {time: 3x median}").limits.timeOverMedian == 3)
        let both = try parse(
            "limits: {time: [2h, 2.5 x median], total: 8h}\nstop: {signal: USR1, before: 2m}")
        #expect(both.limits.time == 7_200_000 && both.limits.timeOverMedian == 2.5)
        #expect(both.limits.total == 28_800_000 && both.stop.before == 120_000)
        let alone = try parse("limits: {time: 3x median}\nstop: {before: 2m}")
        #expect(alone.limits.timeOverMedian == 3 && alone.stop.before == 120_000)
        let flags = try parse(
            "limits: {time: 2h}",
            [
                SpecOverride(["limits", "time"], "4x median", origin: "--time"),
                SpecOverride(
                    ["retry", "exclude_node"], "exit 7", origin: "--exclude-node", mode: .append),
            ])
        #expect(flags.limits.time == nil && flags.limits.timeOverMedian == 4)
        #expect(flags.retry.excludeNode == [.exit(7)])
    }

    @Test(
        "mistakes are told where they stand",
        arguments: [
            ("retry: {on: [exit 256]}", "sweep.yaml:3:14", "exit 64-78"),
            ("retry: {on: [exit 78-64]}", "sweep.yaml:3:14", "no exit codes"),
            ("retry: {on: [exit 64-]}", "sweep.yaml:3:14", "no exit codes"),
            ("retry: {exclude_node: [timeoutt]}", "sweep.yaml:3:24", "did you mean 'timeout'"),
            ("retry: {time_factor: 0.5}", "sweep.yaml:3:22", "at least 1"),
            ("retry: {backoff: {jitter: 120%}}", "sweep.yaml:3:27", "100%"),
            ("limits: {time: 0.5x median}", "sweep.yaml:3:16", "no multiple"),
            ("limits: {time: median}", "sweep.yaml:3:16", "3x median"),
            ("stop: {before: 1m}", "sweep.yaml:3:16", "needs a time limit"),
            ("limits: {time: 1m}\nstop: {before: 60s}", "sweep.yaml:4:16", "as long as"),
        ])
    func mistakes(text: String, place: String, words: String) throws {
        let error = try #require(throws: SpecError.self) { try parse(text) }
        #expect("\(error)".contains(place) && "\(error)".contains(words), "\(error)")
    }

    @Test("specs that an older version stored read as they were meant")
    func older() throws {
        let text =
            #"{"attempts":2,"on":[{"exit":{"_0":75}}],"backoff":{"initial":5,"factor":2,"max":9},"memoryFactor":1.5}"#
        let policy = try JSONDecoder().decode(RetryPolicy.self, from: Data(text.utf8))
        #expect(policy.attempts == 2 && policy.on == [.exit(75)] && policy.memoryFactor == 1.5)
        #expect(policy.timeFactor == 1 && policy.excludeNode.isEmpty && policy.backoff.jitter == 0)
        let limits = try JSONDecoder().decode(
            Limits.self, from: Data(#"{"time":1000}"#.utf8))
        #expect(limits.time == 1000 && limits.total == nil)
        var new = RetryPolicy()
        new.on = [.exitRange(1...3)]
        new.backoff.jitter = 0.5
        let bytes = try JSONEncoder().encode(new)
        #expect(try JSONDecoder().decode(RetryPolicy.self, from: bytes) == new)
    }
}

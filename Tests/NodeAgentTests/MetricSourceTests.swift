import Foundation
import JobModel
import LinuxSystem
import NodeLink
import Testing

@testable import NodeAgent

@Suite("Metrics from outputs and files")
struct MetricSourceTests {
    /// The files of one attempt, made by hand.
    private struct Attempt {
        let folder: Folder
        let directories: TaskDirectories

        init() throws {
            folder = try Folder()
            directories = TaskDirectories(job: folder.path, attempt: attempt())
            try FileManager.default.createDirectory(
                atPath: directories.results, withIntermediateDirectories: true)
        }

        func write(_ path: String, _ bytes: some Sequence<UInt8>) throws {
            try Data(bytes).write(to: URL(fileURLWithPath: path))
        }

        /// What is found by one expression.
        func found(_ pattern: String, stdout: String = "", stderr: String = "") throws -> Double? {
            try write(directories.stdout, stdout.utf8)
            try write(directories.stderr, stderr.utf8)
            let goal = MetricGoal(name: "m", direction: .min, source: .log(pattern))
            return TaskMetrics.values(of: [goal], directories)["m"]
        }

        func found(file: String, key: String? = nil) -> Double? {
            let goal = MetricGoal(name: "m", direction: .min, source: .file(file, key: key))
            return TaskMetrics.values(of: [goal], directories)["m"]
        }
    }

    private static let loss = "loss=([0-9.eE+-]+)"

    @Test("the last match counts, in standard output before standard error")
    func lastMatch() throws {
        let attempt = try Attempt()
        #expect(try attempt.found(Self.loss, stdout: "loss=3\nx\nloss=1 loss=2\nend\n") == 2)
        #expect(try attempt.found(Self.loss, stdout: "loss=1", stderr: "loss=2\n") == 1)
        #expect(try attempt.found(Self.loss, stdout: "loss\n", stderr: "loss=2e-3\n") == 0.002)
        #expect(try attempt.found(Self.loss, stdout: " 1/9 loss=9\r 9/9 loss=4\r\n") == 4)
        #expect(try attempt.found(Self.loss, stdout: "It is loss=0.25.\n") == 0.25)
        #expect(try attempt.found(Self.loss, stdout: "nothing\n") == nil)
    }

    @Test("a last match that is no number is none: an older one would say that all went well")
    func notANumber() throws {
        let attempt = try Attempt()
        #expect(try attempt.found("loss=(.*)", stdout: "loss=1\nloss=nan\n") == nil)
        #expect(try attempt.found("loss=(.*)", stdout: "loss=1\nloss=oops\n") == nil)
    }

    @Test("of a huge output the end is looked at, and lines without end are passed over")
    func bounds() throws {
        let attempt = try Attempt()
        let noise = String(repeating: "noise without a value\n", count: LogMetrics.firstLook / 16)
        #expect(try attempt.found(Self.loss, stdout: "loss=1\n" + noise) == 1, "a second look")
        let far = String(repeating: "x\n", count: LogMetrics.limit / 2)
        #expect(try attempt.found(Self.loss, stdout: "loss=1\n" + far) == nil)
        let long = String(repeating: "x", count: LogMetrics.longestLine)
        #expect(try attempt.found(Self.loss, stdout: "loss=1\nloss=2" + long + "\n") == 1)
    }

    @Test("a pattern that takes the square of a line's length ends")
    func slow() throws {
        let attempt = try Attempt()
        let line = String(repeating: "a", count: LogMetrics.longestLine) + "\n"
        let text = String(repeating: line, count: 1000)
        #expect(try attempt.found("(a|aa)+b", stdout: text) == nil)
        // As many matches as there are bytes, each as slow.
        #expect(try attempt.found("(a|aa)+b|a", stdout: text) == nil)
    }

    @Test("a file has one number, or JSON with it at a path")
    func files() throws {
        let attempt = try Attempt()
        func write(_ text: String) throws {
            try attempt.write(attempt.directories.results + "/r.json", text.utf8)
        }
        func number(_ text: String, _ key: String? = nil) throws -> Double? {
            try write(text)
            return attempt.found(file: "r.json", key: key)
        }
        #expect(try number(" 0.5\n") == 0.5)
        #expect(try number("0.5 0.6") == nil)
        #expect(try number("") == nil)
        #expect(try number(#"{"m": 2, "n": 3}"#) == 2, "by its own name")
        #expect(
            try number(#"{"eval": {"acc": 0.9, "n": [1, {"x": 7}]}, "z": 1}"#, "eval.acc") == 0.9)
        #expect(try number(#"{"eval": {"n": [1, {"x": 7}]}}"#, "eval.n.1.x") == 7)
        #expect(try number(#"{"a": {"b": 1}, "a.b": 2}"#, "a.b") == 2, "a name with a dot")
        #expect(try number(#"{"s": "}\"{", "acc": 1}"#, "acc") == 1)
        #expect(try number(#"{"acc": NaN}"#, "acc") == nil)
        #expect(try number(#"{"acc": "0.9"}"#, "acc") == nil)
        #expect(try number(#"{"acc": 0.9"#, "acc") == nil, "torn")
        #expect(try number(#"{"acc": [1, 2]}"#, "acc.2") == nil)
        let deep = String(repeating: "[", count: 400_000)
        #expect(try number(#"{"x": "# + deep + "}", "acc") == nil)
        #expect(try number(String(repeating: " ", count: FileMetrics.limit) + "1") == nil)
    }

    @Test("no link leads out of the results, and nothing but a regular file is opened")
    func hostile() throws {
        let attempt = try Attempt()
        let results = attempt.directories.results
        try attempt.write(attempt.folder.path + "/secret", "7".utf8)
        func link(_ name: String, _ target: String) throws {
            try FileManager.default.createSymbolicLink(
                atPath: results + "/" + name, withDestinationPath: target)
        }
        try link("out", "../../../../secret")
        try link("absolute", attempt.folder.path + "/secret")
        try link("folder", attempt.folder.path)
        for name in ["out", "absolute", "folder/secret"] {
            #expect(attempt.found(file: name) == nil, "\(name)")
        }
        try attempt.write(results + "/inside", "8".utf8)
        try link("here", "inside")
        #expect(attempt.found(file: "here") == 8)
        mkfifo(results + "/pipe", 0o600)
        #expect(attempt.found(file: "pipe") == nil)
        try FileManager.default.removeItem(atPath: results)
        try FileManager.default.createSymbolicLink(
            atPath: results, withDestinationPath: attempt.folder.path)
        #expect(attempt.found(file: "secret") == nil)
    }

    @Test("a metric with a source comes from there alone, others from the metrics file")
    func sourceAlone() throws {
        let attempt = try Attempt()
        try attempt.write(
            attempt.directories.results + "/metrics.jsonl", #"{"m": 1, "n": 2}"#.utf8)
        #expect(try attempt.found(Self.loss, stdout: "") == nil)
        let goals = [
            MetricGoal(name: "m", direction: .min, source: .log(Self.loss)),
            MetricGoal(name: "n", direction: .min),
        ]
        try attempt.write(attempt.directories.stdout, "loss=5\n".utf8)
        #expect(TaskMetrics.values(of: goals, attempt.directories) == ["m": 5, "n": 2])
    }

    @Test("lines that take long come fewer at a time, and none is lost between two looks")
    func slices() throws {
        let attempt = try Attempt()
        let lines = (0..<2000).map { "line \($0)" }
        try attempt.write(attempt.directories.stdout, lines.joined(separator: "\n").utf8)
        var follower = LineFollower(attempt.directories.stdout, longestLine: 100)
        for _ in 0..<20 { follower.note(milliseconds: 1000) }
        var found: [String] = []
        var looks = 0
        while true {
            let look = follower.read()
            looks += 1
            found += look.lines.map { String(decoding: $0, as: UTF8.self) }
            if look.isAtEnd { break }
        }
        #expect(looks == 5 && found == lines.dropLast(), "the last has no end yet")
        for _ in 0..<20 { follower.note(milliseconds: 0) }
        try attempt.write(attempt.directories.stdout, (lines + lines).joined(separator: "\n").utf8)
        let rest = follower.read()
        #expect(rest.isAtEnd && rest.lines.count == 2000)
    }

    @Test("a search's steps are the matches, in the output that had the first")
    func followed() throws {
        let attempt = try Attempt()
        let goal = MetricGoal(name: "m", direction: .min, source: .log(Self.loss))
        var follower = RungFollower(
            SearchPolicy(.asha, goal), NodeAgentTests.attempt(), attempt.directories)
        try attempt.write(attempt.directories.stdout, "begin\n".utf8)
        try attempt.write(attempt.directories.stderr, "loss=4\rloss=3\n".utf8)
        #expect(follower.read().found.map(\.step) == [1])
        try attempt.write(attempt.directories.stdout, "begin\nloss=9\n".utf8)
        #expect(follower.read().found.isEmpty)
        try attempt.write(attempt.directories.stderr, "loss=4\rloss=3\nloss=2\nlos".utf8)
        let third = follower.read().found
        #expect(third.map(\.step) == [3] && third.map(\.value) == [2] && third.map(\.rung) == [1])
    }
}

@Suite(
    .enabled(if: AgentUnderTest.obstacle == nil, "needs built executables and mount namespaces"),
    .serialized)
struct AgentMetricSourceTests {
    @Test("an agent finds them when the task has ended")
    func found() async throws {
        let agent = try AgentUnderTest()
        let head = try TestHead(agent)
        #expect(try await eventually { head.isConnected })
        let id = attempt(1, 0, 1)
        head.run(
            agent.template {
                $0.metrics = [
                    MetricGoal(name: "loss", direction: .min, source: .log("loss=([0-9.]+)")),
                    MetricGoal(
                        name: "acc", direction: .max, source: .file("out/m.json", key: "eval.acc")),
                    MetricGoal(name: "absent", direction: .max, source: .file("no", key: nil)),
                ]
                $0.command = [
                    "/bin/sh", "-c",
                    """
                    echo loss=3; echo loss=2.5 >&2; echo loss=1.5
                    mkdir $MARTLET_RESULTS/out; echo '{"eval": {"acc": 0.75}}' > $MARTLET_RESULTS/out/m.json
                    """,
                ]
            }, [task(id)])
        #expect(try await eventually { head.exit(id) != nil })
        #expect(head.exit(id)?.metrics == ["loss": 1.5, "acc": 0.75])
    }
}

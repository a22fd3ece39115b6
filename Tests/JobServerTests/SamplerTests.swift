import Foundation
import JobModel
import LinuxSystem
import Testing

@testable import JobServer

@Suite("Samplers")
struct SamplerTests {
    /// Gives i for point i, and writes down what it hears.
    private static let counting = """
        while read -r line; do
          echo "$line" >> heard
          case $line in '{"ask":'*) n=${line#*:}; n=${n%%,*}; echo "{\\"point\\": $n, \\"params\\": {\\"x\\": $n}}";; esac
        done
        """

    private static func submit(
        _ server: JobServer, _ head: Head, _ script: String, count: Int = 4, parallel: Int = 2
    ) async throws -> JobID {
        var spec = JobSpec(name: "job", image: "host", command: ["true"])
        let x = SampleSection.Dimension(name: "x", distribution: .int(0, 9))
        var sample = SampleSection(method: .external, count: count, seed: 7, space: [x])
        sample.sampler = ExternalSampler(
            command: ["/bin/sh", "-c", script], directory: head.folder, parallel: parallel)
        spec.sweep.sample = sample
        spec.metrics = [MetricGoal(name: "loss", direction: .min)]
        return try await server.submit(SubmitRequest(spec: spec, source: "", key: nil)).id
    }

    private static func heard(_ head: Head) throws -> [String] {
        try Files.text(head.folder + "/heard").split(separator: "\n").map(String.init)
    }

    @Test("points come one by one and ends are told; a new server's sampler is told all again")
    func restart() async throws {
        let head = Head()
        defer { head.remove() }
        let first = try await head.start()
        head.node.connect()
        let job = try await Self.submit(first, head, Self.counting)
        await head.node.hears { $0.runs == ["1_0.1", "1_1.1"] }
        head.node.end(AttemptID.of("1_0.1"), metrics: ["loss": 0.5])
        await head.node.hears { $0.runs.count == 3 }
        let words = try Self.heard(head)
        #expect(words[0].contains(#""hello":1"#) && words[0].contains(#""type":"int""#))
        #expect(words.contains(#"{"metrics":{"loss":0.5},"state":"succeeded","tell":0}"#))
        await first.endWaiting()

        try FileManager.default.removeItem(atPath: head.folder + "/heard")
        let second = try await head.start()
        head.node.connect(accepted: AttemptID.of("1_1.1", "1_2.1"))
        head.node.end(AttemptID.of("1_1.1"), metrics: ["loss": 0.25])
        await head.node.hears { $0.runs.contains("1_3.1") }
        let again = try Self.heard(head)
        let points = (0..<3).map { #"{"params":{"x":\#($0)},"point":\#($0)}"# }
        #expect(Array(again[1...3]) == points)
        #expect(again.filter { $0.contains("tell") }.count == 2)
        #expect(again.last?.hasPrefix(#"{"ask":3"#) == true)
        head.node.end(AttemptID.of("1_2.1", "1_3.1"))
        _ = try await second.await(job) { $0.state == .succeeded }
        let tasks = try await second.report(TaskSelection(job: job)).tasks
        #expect(tasks.map { $0.params["x"] } == (0..<4).map { .int($0) })
        await second.endWaiting()
    }

    @Test("one that says it has had enough is believed")
    func done() async throws {
        let head = Head()
        defer { head.remove() }
        let server = try await head.start()
        head.node.connect()
        let job = try await Self.submit(
            server, head,
            "while read -r l; do case $l in *ask*) echo '{\"point\": 0, \"done\": true}';; esac; done"
        )
        let ended = try await server.await(job) { $0.state.isFinal }
        #expect(ended.state == .succeeded && ended.counts.stopped == 4)
        await server.endWaiting()
    }

    @Test(
        "one that is wrong fails its job, which says what it said",
        arguments: [
            ("echo hello; cat > hello", "said hello"),
            (
                "while read -r l; do case $l in *ask*) echo '{\"point\": 0, \"params\": {\"y\": 1}}';; esac; done",
                "has not the parameters x"
            ),
            ("echo no such module >&2; exit 3", "ended with status 3: no such module"),
        ])
    func wrong(script: String, words: String) async throws {
        let head = Head()
        defer { head.remove() }
        let server = try await head.start()
        head.node.connect()
        let job = try await Self.submit(server, head, script)
        let ended = try await server.await(job) { $0.state.isFinal }
        #expect(
            ended.state == .failed && ended.reason?.contains(words) == true, "\(ended.reason ?? "")"
        )
        await server.endWaiting()
    }
}

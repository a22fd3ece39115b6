import Foundation
import JobModel
import LinuxSystem
import NodeLink
import Synchronization
import Testing

@testable import NodeAgent

@Suite("Rungs")
struct RungTests {
    private static let policy = SearchPolicy(.asha, MetricGoal(name: "loss", direction: .min))

    private static func follower(_ folder: String = "/nowhere", _ policy: SearchPolicy = policy)
        -> RungFollower
    {
        RungFollower(policy, attempt(), TaskDirectories(job: folder, attempt: attempt()))
    }

    @Test("lines count by their step, or epoch, or field of choice, and else by themselves")
    func steps() {
        func steps(_ text: String, _ field: String? = nil) -> [Double] {
            var policy = Self.policy
            policy.step = field
            var follower = Self.follower("", policy)
            return follower.take(Array(text.utf8)).map(\.step)
        }
        #expect(steps("{\"loss\": 2}\n{\"lr\": 1}\n{\"loss\": 2}\n{\"loss\": 1}\n") == [1, 3])
        #expect(steps("{\"step\": 4, \"epoch\": 1, \"loss\": 2}\n") == [4, 4])
        #expect(steps("{\"epoch\": 1, \"loss\": 2}\n") == [1])
        #expect(steps("{\"step\": 4, \"i\": 9, \"loss\": 2}\n", "i") == [9, 9, 9])
    }

    @Test("what is torn waits for its end, and what is no line of metrics is passed over")
    func torn() {
        var follower = Self.follower()
        #expect(follower.take(Array("{\"loss\": 0.".utf8)).isEmpty)
        #expect(follower.take(Array("5}\nnoise\n".utf8)).map(\.value) == [0.5])
        let long = [UInt8](repeating: 32, count: RungFollower.longestLine)
        #expect(follower.take(Array("{\"step\": 3,".utf8)).isEmpty)
        #expect(follower.take(long).isEmpty)
        #expect(
            follower.take(Array("\"loss\": 1}\n{\"step\": 3, \"loss\": NaN}\n".utf8)).map(\.value)
                == [nil])
        #expect(follower.records.count == 2)
    }

    @Test(
        "a file is read as it grows, from its beginning where it was begun anew, and through no link"
    )
    func files() throws {
        let folder = NSTemporaryDirectory() + "/martlet-rungs-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        func results(_ job: String) throws -> String {
            let results = TaskDirectories(job: job, attempt: attempt()).results
            try FileManager.default.createDirectory(
                atPath: results, withIntermediateDirectories: true)
            return results + "/metrics.jsonl"
        }
        let path = try results(folder)
        var follower = Self.follower(folder)
        #expect(follower.read().found.isEmpty)
        try Data("{\"loss\": 1}\n{\"step\": 2, \"loss\": 1}\n{\"st".utf8).write(
            to: URL(fileURLWithPath: path))
        #expect(follower.read().found.map(\.rung) == [0])
        #expect(follower.read().found.isEmpty)
        try Data("{\"step\": 3, \"loss\": 2}\n".utf8).write(to: URL(fileURLWithPath: path))
        #expect(follower.read().found.map(\.rung) == [1])
        var other = Self.follower(folder + "/link")
        try FileManager.default.createSymbolicLink(
            atPath: try results(folder + "/link"), withDestinationPath: path)
        #expect(other.read().found.isEmpty)
    }
}

@Suite(
    "Rungs of running tasks",
    .enabled(if: AgentUnderTest.obstacle == nil, "needs built executables and mount namespaces"),
    .serialized)
struct AgentRungTests {
    private static func rungs(_ id: AttemptID, _ head: TestHead) -> [Int] {
        head.state.withLock { $0.rungs[id]?.map(\.rung) ?? [] }
    }

    @Test(
        "rungs are told while the task runs, again after a hello, and the last ones before its end")
    func toldLive() async throws {
        let agent = try AgentUnderTest()
        let head = try TestHead(agent)
        #expect(try await eventually { head.isConnected })
        let id = attempt(1, 0, 1)
        head.run(
            agent.template {
                $0.search = SearchPolicy(.asha, MetricGoal(name: "loss", direction: .min))
                $0.command = [
                    "/bin/sh", "-c",
                    """
                    echo '{"step": 1, "loss": 2}' >> $MARTLET_METRICS
                    until [ -e $MARTLET_RESULTS/go ]; do sleep 0.02; done
                    echo '{"step": 9, "loss": 1}' >> $MARTLET_METRICS
                    """,
                ]
            }, [task(id)])
        #expect(try await eventually { Self.rungs(id, head) == [0] })
        head.close()
        let second = try TestHead(agent)
        let templates = head.state.withLock(\.templates)
        second.state.withLock { $0.templates = templates }
        #expect(try await eventually { Self.rungs(id, second) == [0] })
        let places = TaskDirectories(job: agent.directories.jobDirectory(1), attempt: id)
        try Data().write(to: URL(fileURLWithPath: places.results + "/go"))
        #expect(try await eventually { second.exit(id) != nil })
        #expect(Self.rungs(id, second) == [0, 1, 2])
    }
}

import JobModel
import Testing

@testable import Scheduling

@Suite("GPUs that fail tasks")
struct GPUQuarantineTests {
    /// One node with two GPUs, and a job of tasks with one each.
    private static func cluster(_ gpus: Int = 2) -> Cluster {
        var cluster = Cluster()
        cluster.connect("n", [8], gpus: gpus)
        cluster.submit(1000) { $0.resources.gpus = GPURequest(1) }
        return cluster
    }

    private static func live(_ cluster: Cluster, on gpu: String) -> AttemptID? {
        let live = cluster.state.liveTasks(of: JobID(1)).first {
            $0.value.placement.gpus.contains(gpu)
        }
        return live.map {
            AttemptID(task: TaskID(job: JobID(1), index: $0.key), number: $0.value.attempt)
        }
    }

    private static func end(
        _ cluster: inout Cluster, _ gpu: String, _ status: Ending, took: Int64 = 9000
    ) {
        guard let attempt = live(cluster, on: gpu) else { return }
        cluster.end([attempt], status, took: took)
    }

    private static func closed(_ cluster: Cluster) -> [String: String] {
        cluster.state.nodeReports.first?.closedGPUs ?? [:]
    }

    @Test(
        "a GPU on which tasks fail that do well on another is taken out, with the attempts that tell"
    )
    func quarantine() throws {
        var cluster = Self.cluster()
        Self.end(&cluster, "GPU-0", .code(0), took: 60_000)
        for _ in 0..<3 { Self.end(&cluster, "GPU-1", .code(1)) }
        #expect(Self.closed(cluster).isEmpty)
        Self.end(&cluster, "GPU-1", .code(1))
        let reason = try #require(Self.closed(cluster)["GPU-1"])
        #expect(reason.hasPrefix("4 tasks in a row failed on it"))
        #expect(reason.contains("exit code 1 after 9.0 s"))
        #expect(
            cluster.effects.contains {
                if case .gpuQuarantined("n", "GPU-1", reason) = $0 { true } else { false }
            })
        // Its node goes on with the other one, also for whoever wants no GPU.
        #expect(Self.live(cluster, on: "GPU-1") == nil && Self.live(cluster, on: "GPU-0") != nil)
        cluster.submit(1)
        #expect(cluster.sentNames == ["2_0.1"])
        #expect(cluster.state.nodeReports.first?.quarantine == nil)
        // It stays out over a new line, until a person says otherwise.
        let accepted = cluster.state.activeJobs.flatMap { id in
            cluster.state.liveTasks(of: id).map {
                AttemptID(task: TaskID(job: id, index: $0.key), number: $0.value.attempt)
            }
        }
        cluster.connect("n", [8], gpus: 2, accepted: accepted)
        #expect(Self.live(cluster, on: "GPU-1") == nil)
        cluster.apply(.nodeUndrained("n"))
        #expect(Self.live(cluster, on: "GPU-1") != nil && Self.closed(cluster).isEmpty)
    }

    @Test("a job that fails everywhere takes no GPU out, and neither is the last one taken")
    func notItsFault() {
        var cluster = Self.cluster()
        for _ in 0..<6 {
            for gpu in ["GPU-0", "GPU-1"] { Self.end(&cluster, gpu, .code(1)) }
        }
        #expect(Self.closed(cluster).isEmpty)
        var single = Self.cluster(1)
        Self.end(&single, "GPU-0", .code(0), took: 60_000)
        for _ in 0..<6 { Self.end(&single, "GPU-0", .code(1)) }
        #expect(Self.closed(single).isEmpty)
    }

    @Test("a success or a late failure in between begins the row anew")
    func otherEnds() {
        for (status, took) in [(.code(0), 9000), (.code(1), 20_000)] as [(Ending, Int64)] {
            var cluster = Self.cluster()
            Self.end(&cluster, "GPU-0", .code(0), took: 60_000)
            for _ in 0..<3 { Self.end(&cluster, "GPU-1", .code(1)) }
            Self.end(&cluster, "GPU-1", status, took: took)
            for _ in 0..<3 { Self.end(&cluster, "GPU-1", .code(1)) }
            #expect(Self.closed(cluster).isEmpty)
        }
    }

    @Test("what an earlier server found holds as soon as the node is there")
    func restored() {
        var cluster = Cluster()
        _ = cluster.state.restore([], nodes: [:], now: cluster.now)
        cluster.apply(.nodeAdded(NodeSpec(name: "n", destination: "n")))
        cluster.apply(.gpuQuarantined("n", gpu: "GPU-1", reason: "4 tasks in a row"))
        cluster.connect("n", [8], gpus: 2)
        cluster.submit(2) { $0.resources.gpus = GPURequest(1) }
        #expect(cluster.sent.map(\.placement.gpus) == [["GPU-0"]])
    }
}

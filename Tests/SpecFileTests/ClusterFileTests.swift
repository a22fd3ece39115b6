import JobModel
import Simulation
import SpecFile
import Testing

@Suite("Clusters that are described")
struct ClusterFileTests {
    private static func parse(_ text: String) throws -> ClusterFile {
        try ClusterFile.parse(text: text, path: "cluster.yaml", directory: "/here")
    }

    @Test("groups of nodes, durations, failures and the seed are read")
    func whole() throws {
        let file = try Self.parse(
            """
            nodes:
              - {name: gpu, count: 2, packages: 2, numa: 4, cores: 64, smt: 2, memory: 512GiB,
                 gpus: {count: 8, model: H100, memory: 80GiB, link: nvlink}, labels: {room: b}}
              - {name: ours, sysroot: captured/tree, failures: {every: 10d, repair: 1h}}
            durations: {train: "lognormal(40m, 0.6)", fixed: 90s, "*": "uniform(1m, 5m)"}
            submit: {train: 10m}
            failures: {every: 30d}
            seed: 7
            """)
        #expect(file.seed == 7)
        #expect(file.groups.map(\.name) == ["gpu", "ours"])
        #expect(file.groups[1].sysroot == "/here/captured/tree")
        #expect(file.groups[1].failures?.meanBetween == 864_000_000)
        #expect(file.groups[0].failures?.meanBetween == 2_592_000_000)
        #expect(file.duration(of: "train") == .lognormal(median: 2_400_000, sigma: 0.6))
        #expect(file.duration(of: "fixed") == .constant(90_000))
        #expect(file.duration(of: "other") == .uniform(60_000, 300_000))
        #expect(file.submissions == ["train": 600_000])
        let nodes = file.groups[0].nodes()
        #expect(nodes.map(\.name) == ["gpu-1", "gpu-2"])
        let inventory = nodes[0].inventory
        #expect(inventory.cpuCount == 128)
        #expect(inventory.numaNodes.map(\.id) == [0, 1, 2, 3])
        #expect(inventory.numaNodes[0].cpus == Array(0..<16) + Array(64..<80))
        #expect(inventory.numaNodes[0].distances == [10, 12, 32, 32])
        #expect(inventory.cores.count == 64 && inventory.cores[0].cpus == [0, 64])
        #expect(inventory.gpus.map { $0.numaNode ?? -1 } == [0, 0, 1, 1, 2, 2, 3, 3])
        #expect(inventory.gpuLinks[0][7] >= 100)
        #expect(inventory.labels["room"] == "b")
    }

    @Test(
        "every mistake is told where it stands",
        arguments: [
            ("nodes: [{cors: 4}]", "cluster.yaml:1:10: a group of nodes has no key 'cors'"),
            ("seed: 1", "cluster.yaml:1:1: a cluster needs nodes"),
            (
                "nodes: [{cores: 4}]\ndurations: {a: soon}",
                "cluster.yaml:2:16: 'soon' is no duration of tasks"
            ),
            (
                "nodes: [{cores: 4}]\ndurations: {a: \"uniform(5m, 1m)\"}",
                "cluster.yaml:2:16: 'uniform(5m, 1m)' is no duration of tasks"
            ),
            (
                "nodes: [{cores: 2, numa: 4}]",
                "cluster.yaml:1:9: 2 cores are fewer than 4 NUMA nodes"
            ),
            (
                "nodes: [{name: a}, {name: a}]",
                "cluster.yaml:1:20: two groups of nodes are called 'a'"
            ),
        ])
    func mistakes(text: String, says: String) {
        do {
            _ = try Self.parse(text)
            Issue.record("it was read")
        } catch {
            #expect("\(error)".hasPrefix(says), "\(error)")
        }
    }
}

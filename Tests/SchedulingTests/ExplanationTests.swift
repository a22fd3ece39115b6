import JobModel
import Testing

@testable import Scheduling

@Suite("Why there, and why not")
struct ExplanationTests {
    private func explain(_ request: ResourceRequest, _ nodes: [String: NodeResources])
        -> Explanation
    {
        let demand = ClusterSnapshot.Demand(id: DemandID(job: JobID(9)), request: request, ready: 1)
        return Scheduler.explain(
            demand,
            in: ClusterSnapshot(
                nodes: nodes.map { ClusterSnapshot.Node(name: $0, resources: $1) },
                demands: [demand]))
    }

    @Test("a score is a few words, and two of them a table down to the line that decides")
    func scores() throws {
        let linked = NodeResources(
            Machine.of(numa: 2, cores: 8, threads: 2, l3: 2, gpus: 4, links: .nvlink(4)))
        let plain = NodeResources(Machine.of(numa: 2, cores: 8, threads: 2, l3: 2, gpus: 4))
        let explanation = explain(.of(12, gpus: 2), ["a": plain, "b": linked])
        let best = try #require(explanation.best?.fit?.score)
        let next = try #require(explanation.nextBest?.fit?.score)
        #expect(explanation.nodes.map(\.name) == ["b", "a"])
        #expect(
            best.summary
                == "1 NUMA node, NVLink 4×, 12 of 12 CPUs beside the GPUs, 2 L3 caches")
        #expect(
            best.compared(with: next) == [
                .init(
                    name: "NUMA nodes", mine: "1 NUMA node", other: "1 NUMA node", decides: false),
                .init(
                    name: "GPU links", mine: "NVLink 4×", other: "one NUMA node's PCIe",
                    decides: true),
            ])
    }

    @Test("every line that can decide is shown where it does")
    func decidingLines() {
        let lines: [(String, WritableKeyPath<Score, Int>)] = [
            ("NUMA nodes", \.numaNodes), ("GPUs begun", \.gpusBegun),
            ("GPUs begun", \.gpuShareLeft), ("GPU links", \.linksLost), ("GPU links", \.links),
            ("CPUs beside GPUs", \.remoteCPUs), ("GPUs left alone", \.besideGPUs),
            ("GPUs left alone", \.cpusBesideGPUs), ("NUMA distance", \.distance),
            ("kind of cores", \.coreKinds), ("kind of cores", \.efficiencyCPUs),
            ("L3 caches", \.l3Domains), ("load", \.load), ("nodes begun", \.nodesBegun),
            ("NUMA nodes begun", \.numaNodesBegun), ("links cut", \.linksCut),
            ("L3 caches begun", \.l3Begun), ("CPUs left", \.cpusLeft),
            ("CPUs left", \.nodeCPUsLeft),
        ]
        for (place, (name, line)) in lines.enumerated() {
            var (a, b) = (Score(), Score())
            a[keyPath: line] = line == \.links ? 1 : 0
            b[keyPath: line] = line == \.links ? 0 : 1
            // What stands below must not matter.
            for (_, below) in lines[(place + 1)...] {
                a[keyPath: below] = below == \.links ? 0 : 1
                b[keyPath: below] = below == \.links ? 1 : 0
            }
            #expect(a.isBetter(than: b) && !b.isBetter(than: a), "\(name)")
            #expect(Rank(a).isBetter(than: Rank(b)) && !Rank(b).isBetter(than: Rank(a)), "\(name)")
            #expect(a.compared(with: b).first(where: \.decides)?.name == name)
        }
    }

    @Test("what is short is named, with how much is free and who has it")
    func shortages() {
        var node = NodeResources(
            Machine.of(numa: 2, cores: 4, memory: 16 << 30, gpus: 2, labels: ["zone": "a"]))
        _ = node.place(.of(3, gpus: 1, memory: 6 << 30), job: 1)
        _ = node.place(.of(2, memory: 1 << 30), job: 2)
        func texts(_ request: ResourceRequest) -> [String] {
            explain(request, ["n": node]).nodes[0].obstacles.map(\.text)
        }
        func holders(_ request: ResourceRequest) -> [String] {
            explain(request, ["n": node]).nodes[0].obstacles[0].holders.map {
                "\($0.job): \($0.text)"
            }
        }
        #expect(texts(.of(3)) == ["needs 3 CPUs on 1 NUMA node, at most 2 are free there"])
        #expect(texts(.of(5)) == ["needs 5 CPUs, 3 of 8 are free"])
        #expect(holders(.of(5)) == ["1: 3 CPUs", "2: 2 CPUs"])
        #expect(
            texts(.of(1, memory: 12 << 30)) == ["needs 12 GiB of memory, 9 GiB of 16 GiB is free"])
        #expect(holders(.of(1, memory: 12 << 30)) == ["1: 6 GiB", "2: 1 GiB"])
        #expect(texts(.of(1, gpus: 2)) == ["needs 2 GPUs, 1 of 2 is free"])
        #expect(holders(.of(1, gpus: 2)) == ["1: 1 GPU"])
        #expect(texts(.of(1) { $0.exclusive = true }) == ["needs a node on which nothing runs"])
        #expect(holders(.of(1) { $0.exclusive = true }) == ["1: 1 task", "2: 1 task"])
        #expect(texts(.of(1) { $0.labels = ["zone": "b"] }) == ["needs zone: b, it has zone: a"])
        #expect(texts(.of(99)) == ["needs 99 CPUs, the largest node has 8"])
    }

    @Test("that cores are kept for GPU tasks is said")
    func kept() {
        let node = NodeResources(Machine.of(numa: 1, cores: 4, gpus: 1))
        let gpu = ClusterSnapshot.Demand(
            id: DemandID(job: JobID(1)), request: .of(4, gpus: 1), ready: 1)
        let cpu = ClusterSnapshot.Demand(id: DemandID(job: JobID(2)), request: .of(1), ready: 1)
        let snapshot = ClusterSnapshot(
            nodes: [.init(name: "n", resources: node)], demands: [cpu, gpu])
        #expect(
            Scheduler.explain(cpu, in: snapshot).nodes[0].obstacles.map(\.text)
                == ["its free CPUs are kept for tasks that wait for its GPUs"])
        #expect(Scheduler.plan(snapshot).openings.map(\.demand.job) == [JobID(1)])
    }

    @Test("a task that runs is explained as if it did not yet")
    func running() throws {
        var node = NodeResources(Machine.of(numa: 2, cores: 4))
        let request = ResourceRequest.of(4)
        let demand = ClusterSnapshot.Demand(id: DemandID(job: JobID(1)), request: request, ready: 0)
        let taken = node.place(request)
        let (placement, held) = try #require(taken)
        let explanation = Scheduler.explain(
            placement, held, of: demand,
            in: ClusterSnapshot(nodes: [.init(name: "n", resources: node)], demands: []))
        #expect(explanation.best?.fit?.placement == placement)
        #expect(explanation.best?.nextFit?.placement.cpus == [4, 5, 6, 7])
    }
}

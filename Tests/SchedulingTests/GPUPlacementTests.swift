import JobModel
import Testing

@testable import Scheduling

@Suite("GPUs, and cores beside them")
struct GPUPlacementTests {
    @Test("cores are those beside the GPU")
    func localCores() {
        var node = NodeResources(Machine.of(numa: 2, cores: 4, gpus: 2))
        _ = node.place(.of(1, gpus: 1))
        let second = node.place(.of(2, gpus: 1))?.placement
        #expect(second?.gpus == ["GPU-1"])
        #expect(second?.cpus == [4, 5])
    }

    @Test("who needs no GPU takes cores beside free ones last")
    func cpuTasks() {
        var node = NodeResources(
            Machine.of(numa: 2, cores: 2, gpus: 1) { $0.gpus[0].numaNode = 0 })
        #expect(node.place(.of(2))?.placement.cpus == [2, 3])
        #expect(node.place(.of(1))?.placement.cpus == [0])
    }

    @Test("linked pairs are taken as pairs, and single GPUs from broken ones")
    func pairs() {
        var node = NodeResources(
            Machine.of(numa: 1, cores: 8, gpus: 6, links: .pairs(4)))
        #expect(node.place(.of(1, gpus: 1))?.placement.gpus == ["GPU-0"])
        #expect(node.place(.of(1, gpus: 2))?.placement.gpus == ["GPU-2", "GPU-3"])
        #expect(node.place(.of(1, gpus: 1))?.placement.gpus == ["GPU-1"])
        #expect(node.place(.of(1, gpus: 2))?.placement.gpus == ["GPU-4", "GPU-5"])
    }

    @Test("what is left counts: the best two are not taken where that ruins the next ones")
    func partition() {
        // A chain 0–1–2–3: taking 1 and 2, the strongest, would leave 0 and 3 apart.
        let weights = [
            [0, 200, 10, 10], [200, 0, 300, 10], [10, 300, 0, 200], [10, 10, 200, 0],
        ]
        var node = NodeResources(
            Machine.of(numa: 1, cores: 8, gpus: 4) { $0.gpuLinks = weights })
        #expect(node.place(.of(1, gpus: 2))?.placement.gpus == ["GPU-0", "GPU-1"])
        #expect(node.place(.of(1, gpus: 2))?.placement.gpus == ["GPU-2", "GPU-3"])
    }

    @Test("link: nvlink means each with each")
    func linked() {
        let node = NodeResources(Machine.of(numa: 1, cores: 8, gpus: 4, links: .pairs(4)))
        var linked = GPURequest(2)
        linked.link = .nvlink
        #expect(node.fit(.of(1, gpus: linked))?.placement.gpus == ["GPU-0", "GPU-1"])
        linked.count = 3
        #expect(!node.couldFit(.of(1, gpus: linked)))
    }

    @Test("sixteen GPUs are not looked at in every combination, and still lie well")
    func many() {
        let node = NodeResources(
            Machine.of(numa: 2, cores: 16, gpus: 16, links: .pairs(4)))
        let fit = node.fit(.of(4, gpus: 4))
        #expect(fit?.placement.gpus == ["GPU-0", "GPU-1", "GPU-2", "GPU-3"])
        #expect(fit?.score.numaNodes == 1)
        #expect(node.fit(.of(4, gpus: 12))?.placement.gpus.count == 12)
    }

    @Test("a GPU that is shared is filled before the next is begun")
    func shares() throws {
        var node = NodeResources(Machine.of(numa: 2, cores: 8, gpus: 2))
        var half = GPURequest(1)
        half.share = 500
        let begun = node.place(.of(1, gpus: half))
        let first = try #require(begun)
        #expect(first.placement.gpuShare == 500)
        #expect(node.place(.of(1, gpus: half))?.placement.gpus == ["GPU-0"])
        #expect(node.place(.of(1, gpus: half))?.placement.gpus == ["GPU-1"])
        #expect(node.fit(.of(1, gpus: 1)) == nil)
        node.give(first.placement, first.held)
        half.share = 501
        #expect(node.fit(.of(1, gpus: half)) == nil)
    }

    struct Trait {
        var model: String?
        var least: Int64?
        var most: Int64?
        var profile: String?
        var gpu: String?
    }

    @Test(
        "model, memory and profile choose",
        arguments: [
            Trait(model: "h100", gpu: "big"), Trait(model: "A30", gpu: "small"),
            Trait(least: 40 << 30, gpu: "big"), Trait(most: 24 << 30, gpu: "small"),
            Trait(profile: "1g.10gb", gpu: "MIG-1"), Trait(model: "B200"),
        ])
    func traits(trait: Trait) {
        let node = NodeResources(
            Machine.of(numa: 1, cores: 8) {
                $0.gpus = [
                    .init(id: "card", model: "NVIDIA H100", memory: 80 << 30),
                    .init(
                        id: "MIG-1", model: "NVIDIA H100", memory: 10 << 30, profile: "1g.10gb",
                        parent: "card"),
                    .init(id: "small", model: "NVIDIA A30", memory: 24 << 30),
                    .init(id: "big", model: "NVIDIA H100", memory: 80 << 30),
                ]
            })
        var request = GPURequest(1)
        (request.model, request.profile) = (trait.model, trait.profile)
        (request.leastMemory, request.mostMemory) = (trait.least, trait.most)
        #expect(node.fit(.of(1, gpus: request))?.placement.gpus.first == trait.gpu)
    }

    @Test("slices come from cards that are begun")
    func slices() {
        var node = NodeResources(
            Machine.of(numa: 1, cores: 8) { inventory in
                inventory.gpus = ["a", "b", "a", "b"].enumerated().map {
                    .init(id: "MIG-\($0)", profile: "1g.10gb", parent: $1)
                }
            })
        var slice = GPURequest(1)
        slice.profile = "1g.10gb"
        #expect(node.place(.of(1, gpus: slice))?.placement.gpus == ["MIG-0"])
        #expect(node.place(.of(1, gpus: slice))?.placement.gpus == ["MIG-2"])
        #expect(node.place(.of(1, gpus: slice))?.placement.gpus == ["MIG-1"])
    }

    @Test(
        "as many whole cores are kept as the GPU tasks will take, wherever the GPUs say that they lie",
        arguments: [0, nil] as [Int?])
    func keptCores(numaNode: Int?) {
        let node = NodeResources(
            Machine.of(numa: 1, cores: 8, threads: 2, gpus: 2) { inventory in
                for place in inventory.gpus.indices { inventory.gpus[place].numaNode = numaNode }
            })
        func demand(_ job: Int64, _ request: ResourceRequest, _ ready: Int)
            -> ClusterSnapshot.Demand
        {
            ClusterSnapshot.Demand(id: DemandID(job: JobID(job)), request: request, ready: ready)
        }
        func placed(_ gpus: GPURequest, cpus: Int, _ ready: Int) -> [Int] {
            let plan = Scheduler.plan(
                ClusterSnapshot(
                    nodes: [.init(name: "n", resources: node)],
                    demands: [demand(1, .of(1), 99), demand(2, .of(cpus, gpus: gpus), ready)]))
            return [1, 2].map { job in
                plan.openings.count { $0.demand.job == JobID(job) }
            }
        }
        // Two cores for each of two GPUs; and of eight tenths of one GPU, a core each.
        #expect(placed(1, cpus: 3, 5) == [4, 2])
        var tenth = GPURequest(1)
        tenth.share = 100
        #expect(placed(tenth, cpus: 1, 3) == [5, 3])
        #expect(placed(1, cpus: 99, 5) == [8, 0])
    }

    @Test("a GPU whose NUMA node has no CPU to give is given with others")
    func restrictedCPUs() {
        let node = NodeResources(
            Machine.of(numa: 2, cores: 4, gpus: 2) { $0.numaNodes[1].cpus = [] })
        #expect(node.fit(.of(1, gpus: 2))?.score.remoteCPUs == 0)
        #expect(node.fit(.of(1, gpus: 2))?.placement.numaNodes == [0, 1])
    }

    @Test("while GPU jobs wait, the cores that they need beside free GPUs are kept")
    func kept() {
        var cluster = Cluster()
        cluster.connect(Machine.of(numa: 1, cores: 8, gpus: 2))
        let cpus = cluster.submit(20, cpus: 1)
        cluster.end(Array(cluster.sent.prefix(4).map(\.attempt)))
        let before = cluster.state.liveTasks(of: cpus).count
        #expect(before == 8)
        cluster.submit(4, cpus: 3) { $0.resources.gpus = 1 }
        cluster.end([.of("1_4.1"), .of("1_5.1"), .of("1_6.1")])
        #expect(cluster.sent.map(\.attempt.task.job) == [JobID(2)])
        #expect(cluster.state.liveTasks(of: cpus).count == 5)
    }
}

extension Cluster {
    mutating func connect(_ inventory: NodeInventory, as name: String = "n") {
        apply(
            .nodeConnected(
                name,
                NodeHello(
                    inventory: inventory,
                    incarnation: NodeIncarnation(
                        agentEpoch: "a", launcherEpoch: "l", bootID: "b"),
                    accepted: [], started: [], exited: [])))
    }
}

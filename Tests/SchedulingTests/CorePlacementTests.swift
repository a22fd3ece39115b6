import JobModel
import Testing

@testable import Scheduling

@Suite("Cores that lie together")
struct CorePlacementTests {
    @Test("a task has whole cores, and all threads of the last one too")
    func wholeCores() {
        var node = NodeResources(Machine.of(numa: 1, cores: 4, threads: 2))
        #expect(node.place(.of(3))?.placement.cpus == [0, 1, 4, 5])
        #expect(node.place(.of(1))?.placement.cpus == [2, 6])
        #expect(node.fit(.of(3)) == nil)
        #expect(node.fit(.of(2))?.placement.cpus == [3, 7])
    }

    @Test("with smt: share threads are given singly, those of split cores first")
    func sharedCores() {
        var node = NodeResources(Machine.of(numa: 1, cores: 2, threads: 2))
        let shares = ResourceRequest.of(1) { $0.smt = .share }
        #expect(node.place(shares)?.placement.cpus == [0])
        #expect(node.place(.of(1))?.placement.cpus == [1, 3])
        #expect(node.place(shares)?.placement.cpus == [2])
        #expect(node.fit(shares) == nil)
    }

    @Test("cores share as few caches as can be, and a cache that is begun is filled first")
    func caches() {
        var node = NodeResources(Machine.of(numa: 1, cores: 12, l3: 3))
        #expect(node.place(.of(2))?.placement.cpus == [0, 1])
        #expect(node.place(.of(4))?.placement.cpus == [4, 5, 6, 7])
        #expect(node.place(.of(2))?.placement.cpus == [2, 3])
        #expect(node.place(.of(3))?.placement.cpus == [8, 9, 10])
    }

    @Test("two NUMA nodes are those that lie nearest to each other")
    func nearNUMANodes() {
        var node = NodeResources(Machine.of(numa: 4, cores: 4))
        _ = node.place(.of(4))
        #expect(node.fit(.of(8))?.placement.numaNodes == [2, 3])
    }

    @Test("performance cores come first, and a task that fits one kind has no other")
    func hybrid() {
        var node = NodeResources(
            Machine.of(numa: 1, cores: 8) { inventory in
                for core in 0..<8 {
                    inventory.cores[core].kind = core < 4 ? .performance : .efficiency
                }
            })
        #expect(node.fit(.of(6))?.score.coreKinds == 2)
        #expect(node.place(.of(3))?.placement.cpus == [0, 1, 2])
        #expect(node.place(.of(2))?.placement.cpus == [4, 5])
        #expect(node.place(.of(1))?.placement.cpus == [3])
        #expect(node.place(.of(1))?.placement.cpus == [6])
    }

    @Test(
        "strict is one NUMA node or never; local waits for as few as it needs; none takes what there is"
    )
    func policies() {
        var node = NodeResources(Machine.of(numa: 2, cores: 4))
        #expect(!node.couldFit(.of(5, numa: .strict)))
        #expect(node.fit(.of(5))?.placement.numaNodes == [0, 1])
        _ = node.place(.of(3, numa: .strict))
        _ = node.place(.of(3, numa: .strict))
        #expect(node.fit(.of(2)) == nil)
        #expect(node.fit(.of(2, numa: .strict)) == nil)
        #expect(node.fit(.of(2, numa: .none))?.placement.cpus == [3, 7])
    }

    @Test("strict wants the memory there too, none does not care")
    func strictMemory() {
        let node = NodeResources(Machine.of(numa: 2, cores: 4, memory: 8 << 30))
        #expect(!node.couldFit(.of(1, memory: 5 << 30, numa: .strict)))
        #expect(node.fit(.of(1, memory: 4 << 30, numa: .strict)) != nil)
        #expect(node.fit(.of(1, memory: 5 << 30))?.placement.numaNodes == [0, 1])
    }

    @Test("spread takes evenly from all NUMA nodes, and as evenly of their memory")
    func spread() {
        var node = NodeResources(Machine.of(numa: 2, cores: 4, threads: 2, memory: 8 << 30))
        let placed = node.place(.of(6, memory: 4 << 30, numa: .spread))
        #expect(placed?.placement.cpus == [0, 1, 4, 8, 9, 12])
        #expect(placed?.placement.numaNodes == [0, 1])
        #expect(placed?.held.memory == [2 << 30, 2 << 30])
        #expect(node.fit(.of(1, memory: 5 << 30, numa: .spread)) == nil)
    }

    @Test("a node for oneself is one on which nothing runs, and nothing comes")
    func exclusive() throws {
        var node = NodeResources(Machine.of(numa: 1, cores: 4))
        let alone = ResourceRequest.of(1) { $0.exclusive = true }
        let busy = node.place(.of(1))
        let other = try #require(busy)
        #expect(node.fit(alone) == nil)
        node.give(other.placement, other.held)
        let own = node.place(alone)
        let placed = try #require(own)
        #expect(node.fit(.of(1)) == nil)
        #expect(node.fit(.of(0)) == nil)
        node.give(placed.placement, placed.held)
        #expect(node.fit(.of(1)) != nil)
    }

    @Test("cores without a NUMA node, and CPUs without a core, do no harm")
    func oddInventories() {
        let node = NodeResources(
            Machine.of(numa: 1, cores: 2) { inventory in
                inventory.numaNodes[0].cpus += [9, 9]
                inventory.cores.append(.init(cpus: [100, 101]))
                inventory.numaNodes.append(.init(id: 7, cpus: [], memory: 1 << 30))
            })
        #expect(node.freeCPUs == [0, 1, 9])
        #expect(node.fit(.of(3))?.placement.cpus == [0, 1, 9])
        #expect(NodeResources(NodeInventory(hostname: "", numaNodes: [])).fit(.of(1)) == nil)
    }
}

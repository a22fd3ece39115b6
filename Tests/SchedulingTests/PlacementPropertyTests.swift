import JobModel
import Testing

@testable import Scheduling

/// What must hold of every placement, whatever is asked of whatever machine.
@Suite("Placement holds")
struct PlacementPropertyTests {
    /// Tasks that come and go on machines that are drawn at random.
    struct Round {
        var random: SplitMix
        var pool: NodePool
        let inventories: [String: NodeInventory]
        var running:
            [(request: ResourceRequest, placement: Placement, held: NodeResources.Reservation)] = []

        init(seed: UInt64) {
            var random = SplitMix(seed: seed)
            var inventories: [String: NodeInventory] = [:]
            for number in 0..<Int.random(in: 1...3, using: &random) {
                inventories["n\(number)"] = Self.machine(&random)
            }
            pool = NodePool()
            for (name, inventory) in inventories.sorted(by: { $0.key < $1.key }) {
                pool.set(name, inventory, acceptsWork: true)
            }
            self.random = random
            self.inventories = inventories
        }

        private static func machine(_ random: inout SplitMix) -> NodeInventory {
            let links: [Machine.Links] = [.unknown, .nvlink(18), .pairs(4)]
            return Machine.of(
                numa: [1, 2, 4, 8].randomElement(using: &random)!,
                cores: Int.random(in: 1...12, using: &random),
                threads: Int.random(in: 1...2, using: &random),
                l3: Int.random(in: 1...3, using: &random), memory: 64 << 30,
                gpus: [0, 2, 4, 8, 10].randomElement(using: &random)!,
                links: links.randomElement(using: &random)!
            ) { inventory in
                // An offline thread, a GPU that lies nowhere, ids with gaps.
                if Bool.random(using: &random), !inventory.cores.isEmpty {
                    let gone = inventory.cores[0].cpus.removeLast()
                    for place in inventory.numaNodes.indices {
                        inventory.numaNodes[place].cpus.removeAll { $0 == gone }
                    }
                }
                if !inventory.gpus.isEmpty, Bool.random(using: &random) {
                    inventory.gpus[0].numaNode = nil
                }
            }
        }

        mutating func request() -> ResourceRequest {
            var request = ResourceRequest(
                cpus: Int.random(in: 0...9, using: &random),
                memory: Bool.random(using: &random)
                    ? Int64.random(in: 0...(20 << 30), using: &random) : nil,
                numa: ResourceRequest.NUMA.allCases.randomElement(using: &random)!)
            request.smt = Int.random(in: 0..<3, using: &random) == 0 ? .share : .whole
            request.packing = Bool.random(using: &random) ? .pack : .spread
            request.exclusive = Int.random(in: 0..<20, using: &random) == 0
            switch Int.random(in: 0..<4, using: &random) {
            case 0: request.gpus = GPURequest(Int.random(in: 1...8, using: &random))
            case 1:
                request.gpus = 1
                request.gpus.share = Int.random(in: 1..<1000, using: &random)
            default: break
            }
            if Int.random(in: 0..<5, using: &random) == 0 { request.gpus.link = .nvlink }
            return request
        }

        mutating func step() {
            if running.count > 40 || Int.random(in: 0..<3, using: &random) == 0, !running.isEmpty {
                let ended = running.remove(
                    at: Int.random(in: running.indices, using: &random))
                pool.give(ended.placement, ended.held)
                return
            }
            let request = request()
            guard let fit = pool.fit(Need(request: request)) else { return }
            guard
                let held = pool.take(
                    fit.placement, memory: request.memory ?? 0, exclusive: request.exclusive,
                    of: JobID(Int64(running.count)))
            else { return }
            running.append((request, fit.placement, held))
        }
    }

    private func inRounds(_ seed: Int, steps: Int = 120, _ check: (Round) -> Void) {
        var round = Round(seed: UInt64(seed))
        for _ in 0..<steps {
            round.step()
            check(round)
        }
    }

    @Test("no thread, byte or GPU is given twice", arguments: 1...6)
    func nothingTwice(seed: Int) {
        inRounds(seed) { round in
            for (name, inventory) in round.inventories {
                let mine = round.running.filter { $0.placement.node == name }
                let cpus = mine.flatMap(\.placement.cpus)
                #expect(Set(cpus).count == cpus.count)
                #expect(Set(cpus).isSubset(of: inventory.numaNodes.flatMap(\.cpus)))
                #expect(Set(cpus).isDisjoint(with: round.pool[name]?.resources.freeCPUs ?? []))
                let memory = mine.reduce(0) { $0 + ($1.request.memory ?? 0) }
                #expect(memory <= inventory.memory)
                #expect(round.pool[name]?.resources.freeMemory == inventory.memory - memory)
                var gpus: [String: Int] = [:]
                for task in mine {
                    for gpu in task.placement.gpus {
                        gpus[gpu, default: 0] += task.placement.gpuShare ?? 1000
                    }
                }
                #expect(gpus.values.allSatisfy { $0 <= 1000 })
            }
        }
    }

    @Test("a task has what it asked for, and where", arguments: 1...6)
    func whatWasAsked(seed: Int) {
        inRounds(seed) { round in
            guard let (request, placement, _) = round.running.last,
                let inventory = round.inventories[placement.node]
            else { return }
            #expect(placement.cpus.count >= request.cpus)
            #expect(request.smt == .whole || placement.cpus.count == request.cpus)
            #expect(placement.gpus.count == request.gpus.count)
            #expect(placement.cpus == placement.cpus.sorted())
            let homes = inventory.numaNodes.filter {
                !Set($0.cpus).isDisjoint(with: placement.cpus)
            }
            #expect(Set(homes.map(\.id)).isSubset(of: placement.numaNodes))
            if request.numa == .strict { #expect(placement.numaNodes.count <= 1) }
            if request.exclusive {
                #expect(round.running.filter { $0.placement.node == placement.node }.count == 1)
            }
        }
    }

    @Test("whole cores are never split between tasks", arguments: 1...6)
    func wholeCores(seed: Int) {
        inRounds(seed) { round in
            for (name, inventory) in round.inventories {
                let owners = round.running.filter { $0.placement.node == name }
                for core in inventory.cores {
                    let users = owners.filter {
                        !Set($0.placement.cpus).isDisjoint(with: core.cpus)
                    }
                    #expect(
                        users.count <= 1 || users.allSatisfy { $0.request.smt == .share },
                        "core \(core.cpus) of \(name)")
                }
            }
        }
    }

    @Test("when all have ended everything is back", arguments: 1...6)
    func everythingReturns(seed: Int) {
        var round = Round(seed: UInt64(seed))
        for _ in 0..<300 { round.step() }
        for task in round.running { round.pool.give(task.placement, task.held) }
        for (name, inventory) in round.inventories {
            let fresh = NodeResources(inventory)
            let room = round.pool[name]?.resources
            #expect(room?.freeThreads == fresh.freeThreads)
            #expect(room?.domains == fresh.domains)
            #expect(room?.numa == fresh.numa)
            #expect(room?.gpus == fresh.gpus)
            #expect(room?.isIdle == true && room?.unpinned == 0 && room?.isExclusive == false)
        }
    }

    @Test("counters are what the bits say", arguments: 1...6)
    func counters(seed: Int) {
        inRounds(seed) { round in
            for node in round.pool.nodes {
                let room = node.resources
                for (place, domain) in room.shape.domains.enumerated() {
                    let free = domain.threads.filter(room.isFree)
                    let whole = free.filter { room.isWhole(room.shape.cores[$0]) }
                    #expect(room.domains[place].threads == free.count)
                    #expect(room.domains[place].whole == whole.count)
                }
            }
        }
    }

    @Test("the pool's order is that of looking at every node anew", arguments: 1...6)
    func ranking(seed: Int) {
        var round = Round(seed: UInt64(seed))
        var needs = (0..<6).map { _ in Need(request: round.request()) }
        for step in 0..<200 {
            round.step()
            if step.isMultiple(of: 17) {
                let name = round.inventories.keys.sorted().randomElement(using: &round.random)!
                round.pool.set(name, acceptsWork: Bool.random(using: &round.random))
            }
            let place = Int.random(in: needs.indices, using: &round.random)
            var fresh = NodePool(round.pool.nodes)
            #expect(
                round.pool.fit(needs[place])?.placement == fresh.fit(needs[place])?.placement)
            if step.isMultiple(of: 50) { needs[place] = Need(request: round.request()) }
        }
    }

    @Test("a plan is the same however nodes and lanes are ordered", arguments: 1...6)
    func order(seed: Int) {
        var round = Round(seed: UInt64(seed))
        for _ in 0..<40 { round.step() }
        let demands = (1...6).map { job in
            ClusterSnapshot.Demand(
                id: DemandID(job: JobID(Int64(job))), request: round.request(),
                ready: Int.random(in: 1...20, using: &round.random))
        }
        let nodes = round.pool.nodes
        let plan = Scheduler.plan(ClusterSnapshot(nodes: nodes, demands: demands))
        for _ in 0..<3 {
            let other = Scheduler.plan(
                ClusterSnapshot(nodes: nodes.shuffled(using: &round.random), demands: demands))
            #expect(other.openings == plan.openings)
            #expect(other.waits == plan.waits)
        }
        var pool = round.pool
        #expect(Scheduler.plan(demands, on: &pool).openings == plan.openings)
    }
}

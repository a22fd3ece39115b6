import JobModel
import Simulation
import Testing

@testable import Scheduling

/// What must hold of the places of tasks on several nodes, whatever else is asked.
@Suite("Placement of tasks on several nodes")
struct GangPlacementTests {
    private static func demand(_ random: inout SplitMix, job: Int64) -> ClusterSnapshot.Demand {
        var request = ResourceRequest(cpus: Int.random(in: 1...6, using: &random))
        request.nodes = Int.random(in: 1...4, using: &random)
        request.memory = Int64.random(in: 0...8, using: &random) << 30
        request.gpus = GPURequest(Int.random(in: 0...2, using: &random))
        request.exclusive = Int.random(in: 0..<10, using: &random) == 0
        return ClusterSnapshot.Demand(
            id: DemandID(job: JobID(job)), request: request,
            ready: Int.random(in: 1...4, using: &random))
    }

    @Test(
        "each part has what was asked for on a node of its own, nothing is given twice, and all returns",
        arguments: 1...20)
    func holds(seed: Int) {
        var random = SplitMix(seed: UInt64(seed))
        let inventory = Machine.of(numa: 2, cores: 4, gpus: 2)
        let names = (0..<6).map { "n\($0)" }
        var pool = NodePool(names.map { ($0, inventory) }, acceptsWork: true)
        var taken: [(Placement, NodeResources.Reservation)] = []
        for round in 0..<20 {
            let demands = (1...4).map { Self.demand(&random, job: Int64(4 * round + $0)) }
            for opening in Scheduler.plan(demands, on: &pool).openings {
                let request = demands.first { $0.id == opening.demand }?.request
                let parts = [opening.placement] + opening.others
                #expect(parts.count == request?.nodes)
                #expect(Set(parts.map(\.node)).count == parts.count)
                #expect(parts.allSatisfy { $0.cpus.count == request?.cpus })
                #expect(parts.allSatisfy { $0.gpus.count == request?.gpus.count })
                taken += zip(parts, opening.reservations)
            }
            for name in names {
                let mine = taken.filter { $0.0.node == name }.flatMap(\.0.cpus)
                #expect(Set(mine).count == mine.count)
                #expect(mine.count + (pool[name]?.resources.freeCPUCount ?? 0) == 8)
            }
            // Some end, in any order.
            taken.shuffle(using: &random)
            for _ in 0..<taken.count / 2 {
                let (placement, held) = taken.removeLast()
                pool.give(placement, held)
            }
        }
        for (placement, held) in taken { pool.give(placement, held) }
        let fresh = NodeResources(inventory)
        for node in pool.nodes {
            #expect(node.resources.isIdle && node.resources.freeThreads == fresh.freeThreads)
            #expect(node.resources.numa == fresh.numa && node.resources.gpus == fresh.gpus)
        }
    }

    @Test("the emptiest or the fullest nodes, and the labels, count as for any task")
    func words() {
        var pool = NodePool()
        for (name, zone) in [("a", "x"), ("b", "y"), ("c", "x"), ("d", "x")] {
            let inventory = Machine.of(numa: 1, cores: 4, labels: ["zone": zone])
            pool.set(name, inventory, acceptsWork: true)
        }
        var request = ResourceRequest(cpus: 1)
        request.nodes = 3
        request.labels = ["zone": "x"]
        let demand = ClusterSnapshot.Demand(
            id: DemandID(job: JobID(1)), request: request, ready: 1)
        let opening = Scheduler.plan([demand], on: &pool).openings.first
        #expect(opening.map { [$0.placement.node] + $0.others.map(\.node) } == ["a", "c", "d"])
    }

    @Test("in a simulation they end with the nodes that fail, and are tried again")
    func simulated() {
        var group = ScenarioTests.group("n", 6)
        group.failures = NodeFailures(meanBetween: 1_800_000, meanRepair: 300_000)
        let gangs = ScenarioTests.job("gang", 40, cpus: 4, .uniform(60_000, 600_000)) {
            $0.resources.nodes = 3
            $0.retry.attempts = 50
        }
        let outcome = ScenarioRun.outcome(
            of: Scenario(
                nodes: group.nodes(),
                jobs: [
                    gangs,
                    ScenarioTests.job("small", 100, .constant(30_000)) {
                        $0.retry.attempts = 50
                    },
                ], seed: 3))
        #expect(outcome.jobs.map(\.state) == [.succeeded, .succeeded])
        #expect(outcome.nodeFailures > 0 && outcome.lostAttempts > 0)
        #expect(outcome.decisions >= 140)
        // Three nodes with four CPUs each, for at least a minute.
        #expect(outcome.jobs[0].cpuHours >= 40.0 * 12 / 60)
    }
}

import JobModel
import Scheduling

/// How good placements are, beside those of others.
enum Quality {
    struct Task {
        var request: ResourceRequest
        var duration: Double
    }

    /// Where a task is, as far as quality goes.
    struct Place {
        var cpus: [Int]
        var gpus: [Int]
        /// Gives back what was taken.
        var give: (inout Machine) -> Void
    }

    struct Machine {
        var pool: NodePool
        var freeCPUs: [Bool]
        var freeGPUs: [Bool]
        let homes: [Int]
        let gpuHomes: [Int]

        init(_ inventory: NodeInventory) {
            pool = NodePool([(name: "n", inventory: inventory)], acceptsWork: true)
            homes = (0..<inventory.cpuCount).map { cpu in
                inventory.numaNodes.firstIndex { $0.cpus.contains(cpu) } ?? 0
            }
            gpuHomes = inventory.gpus.map { $0.numaNode ?? 0 }
            freeCPUs = .init(repeating: true, count: homes.count)
            freeGPUs = .init(repeating: true, count: gpuHomes.count)
        }

        /// GPU–CPU pairs of a task that lie on different NUMA nodes.
        func crossings(_ place: Place) -> Int {
            place.gpus.reduce(0) { sum, gpu in
                sum + place.cpus.reduce(0) { $0 + (homes[$1] == gpuHomes[gpu] ? 0 : 1) }
            }
        }
    }

    typealias Strategy = (inout Machine, ResourceRequest) -> Place?

    static func ours(_ machine: inout Machine, _ request: ResourceRequest) -> Place? {
        let demand = Load.demand(1, request)
        guard let opening = Scheduler.plan([demand], on: &machine.pool).openings.first else {
            return nil
        }
        let gpus = opening.placement.gpus.compactMap { Int($0.dropFirst(4)) }
        return Place(cpus: opening.placement.cpus, gpus: gpus) {
            $0.pool.give(opening.placement, opening.reservations[0])
        }
    }

    /// The lowest CPUs and GPUs that are free, wherever they lie.
    static func firstFit(_ machine: inout Machine, _ request: ResourceRequest) -> Place? {
        let cpus = machine.freeCPUs.indices.filter { machine.freeCPUs[$0] }.prefix(request.cpus)
        let gpus = machine.freeGPUs.indices.filter { machine.freeGPUs[$0] }
            .prefix(request.gpus.count)
        guard cpus.count == request.cpus, gpus.count == request.gpus.count else { return nil }
        for cpu in cpus { machine.freeCPUs[cpu] = false }
        for gpu in gpus { machine.freeGPUs[gpu] = false }
        return Place(cpus: Array(cpus), gpus: Array(gpus)) { machine in
            for cpu in cpus { machine.freeCPUs[cpu] = true }
            for gpu in gpus { machine.freeGPUs[gpu] = true }
        }
    }

    struct Outcome {
        var makespan = 0.0
        /// The same where tasks whose cores are all on another NUMA node take this much longer.
        var crossings = 0
        var gpuTasks = 0
    }

    /// Tasks in their order, each as soon as there is room; later ones may pass.
    /// - Parameter penalty: by how much longer a task takes all of whose GPU–CPU pairs cross NUMA nodes, as a factor.
    static func run(
        _ tasks: [Task], on inventory: NodeInventory, penalty: Double, _ strategy: Strategy
    ) -> Outcome {
        var machine = Machine(inventory)
        var outcome = Outcome()
        var queue = tasks
        var running: [(end: Double, place: Place)] = []
        var now = 0.0
        while !queue.isEmpty || !running.isEmpty {
            var waiting: [Task] = []
            for task in queue {
                guard let place = strategy(&machine, task.request) else {
                    waiting.append(task)
                    continue
                }
                let crossings = machine.crossings(place)
                let pairs = place.gpus.count * place.cpus.count
                if pairs > 0 {
                    outcome.crossings += crossings
                    outcome.gpuTasks += 1
                }
                let remote = pairs > 0 ? Double(crossings) / Double(pairs) : 0
                running.append((now + task.duration * (1 + (penalty - 1) * remote), place))
            }
            queue = waiting
            guard let next = running.indices.min(by: { running[$0].end < running[$1].end }) else {
                break
            }
            let ended = running.remove(at: next)
            now = ended.end
            ended.place.give(&machine)
        }
        outcome.makespan = now
        return outcome
    }

    static func tasks(_ count: Int, on inventory: NodeInventory, _ random: inout Random) -> [Task] {
        let perNode = inventory.numaNodes[0].cpus.count
        return (0..<count).map { _ in
            let hasGPUs = Bool.random(using: &random)
            let gpus = hasGPUs ? [1, 1, 1, 2, 4].randomElement(using: &random) ?? 1 : 0
            let most = hasGPUs ? max(1, perNode * inventory.numaNodes.count / 8) : perNode
            return Task(
                request: ResourceRequest(
                    cpus: Int.random(in: 1...most, using: &random), gpus: GPURequest(gpus)),
                duration: Double.random(in: 1...10, using: &random))
        }
    }

    /// Random mixes on machines of two to eight NUMA nodes.
    static func table(rounds: Int) -> [[String: Any]] {
        [(2, 32), (4, 16), (8, 8)].map { numa, cores in
            let inventory = Machines.node(
                numa: numa, cores: cores, l3: max(1, cores / 8), gpus: 8, threads: 1,
                inPairs: true)
            var random = Random(state: UInt64(numa))
            var sums: [String: [Double]] = [:]
            for _ in 0..<rounds {
                let tasks = tasks(60, on: inventory, &random)
                for (name, strategy) in [("ours", ours), ("first_fit", firstFit)]
                    as [(String, Strategy)]
                {
                    for penalty in [1.0, 1.7] {
                        let outcome = run(tasks, on: inventory, penalty: penalty, strategy)
                        sums["\(name)_makespan_\(penalty)", default: []].append(outcome.makespan)
                        guard penalty == 1 else { continue }
                        sums["\(name)_crossings", default: []].append(
                            Double(outcome.crossings) / Double(max(1, outcome.gpuTasks)))
                    }
                }
            }
            var row: [String: Any] = ["numa_nodes": numa, "rounds": rounds]
            for (name, values) in sums { row[name] = values.reduce(0, +) / Double(values.count) }
            return row
        }
    }
}

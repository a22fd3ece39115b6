import JobModel
import Scheduling

/// Small cases, beside the best that there can be.
enum Optimum {
    /// A few tasks at once on an empty machine: how many find room, and how many GPU–CPU pairs cross NUMA nodes.
    static func table(rounds: Int) -> [[String: Any]] {
        [2, 4].map { numa in
            let inventory = Machines.node(numa: numa, cores: 8 / numa, l3: 1, gpus: 4, threads: 1)
            var random = Random(state: UInt64(numa))
            var sums = [String: Double]()
            for _ in 0..<rounds {
                let requests = (0..<5).map { _ in
                    ResourceRequest(
                        cpus: Int.random(in: 1...3, using: &random),
                        gpus: GPURequest(Int.random(in: 0...2, using: &random)), numa: .none)
                }
                let best = best(requests, inventory)
                sums["optimum_placed", default: 0] += Double(best.placed)
                sums["optimum_crossings", default: 0] += Double(best.crossings)
                for (name, strategy) in [("ours", Quality.ours), ("first_fit", Quality.firstFit)]
                    as [(String, Quality.Strategy)]
                {
                    var machine = Quality.Machine(inventory)
                    for request in requests {
                        guard let place = strategy(&machine, request) else { continue }
                        sums["\(name)_placed", default: 0] += 1
                        sums["\(name)_crossings", default: 0] += Double(machine.crossings(place))
                    }
                }
            }
            var row: [String: Any] = ["numa_nodes": numa, "rounds": rounds]
            for (name, sum) in sums { row[name] = sum / Double(rounds) }
            return row
        }
    }

    /// Tasks in their order, none of which is passed over where it has room; with that, the fewest crossings of all ways to share
    /// out CPUs and GPUs, which of a NUMA node's makes no difference.
    private static func best(_ requests: [ResourceRequest], _ inventory: NodeInventory)
        -> (placed: Int, crossings: Int)
    {
        var cpus = inventory.numaNodes.map(\.cpus.count)
        var gpus = inventory.numaNodes.indices.map { node in
            inventory.gpus.filter { $0.numaNode == node }.count
        }
        var known: [[Int]: (Int, Int)] = [:]
        func search(_ next: Int) -> (placed: Int, crossings: Int) {
            guard next < requests.count else { return (0, 0) }
            let key = [next] + cpus + gpus
            if let answer = known[key] { return answer }
            let request = requests[next]
            guard request.cpus <= cpus.reduce(0, +), request.gpus.count <= gpus.reduce(0, +) else {
                return search(next + 1)
            }
            var best = (placed: -1, crossings: 0)
            for c in shares(request.cpus, of: cpus) {
                for g in shares(request.gpus.count, of: gpus) {
                    for node in cpus.indices {
                        (cpus[node], gpus[node]) = (cpus[node] - c[node], gpus[node] - g[node])
                    }
                    let rest = search(next + 1)
                    for node in cpus.indices {
                        (cpus[node], gpus[node]) = (cpus[node] + c[node], gpus[node] + g[node])
                    }
                    let same = zip(c, g).reduce(0) { $0 + $1.0 * $1.1 }
                    let crossings = rest.crossings + request.cpus * request.gpus.count - same
                    if (-rest.placed - 1, crossings) < (-best.placed, best.crossings) {
                        best = (rest.placed + 1, crossings)
                    }
                }
            }
            known[key] = best
            return best
        }
        return search(0)
    }

    /// All ways to take so many from what several have.
    private static func shares(_ count: Int, of free: [Int]) -> [[Int]] {
        guard let first = free.first else { return count == 0 ? [[]] : [] }
        return (0...min(count, first)).flatMap { own in
            shares(count - own, of: Array(free.dropFirst())).map { [own] + $0 }
        }
    }
}

/// The shortest that a handful of tasks can take.
enum ShortestMakespan {
    static func table(rounds: Int) -> [[String: Any]] {
        [2, 4].map { numa in
            let inventory = Machines.node(numa: numa, cores: 8 / numa, l3: 1, gpus: 4, threads: 1)
            var random = Random(state: UInt64(numa))
            var sums = [String: Double]()
            for _ in 0..<rounds {
                let tasks = (0..<7).map { _ in
                    Quality.Task(
                        request: ResourceRequest(
                            cpus: Int.random(in: 1...(8 / numa), using: &random),
                            gpus: GPURequest(Int.random(in: 0...1, using: &random))),
                        duration: Double(Int.random(in: 1...9, using: &random)))
                }
                sums["optimum", default: 0] += shortest(tasks, cpus: 8, gpus: 4)
                for (name, strategy) in [("ours", Quality.ours), ("first_fit", Quality.firstFit)]
                    as [(String, Quality.Strategy)]
                {
                    let outcome = Quality.run(tasks, on: inventory, penalty: 1, strategy)
                    sums[name, default: 0] += outcome.makespan
                }
            }
            var row: [String: Any] = ["numa_nodes": numa, "rounds": rounds]
            for (name, sum) in sums { row[name] = sum / Double(rounds) }
            return row
        }
    }

    /// Of all orders, each task at its earliest; among those is a best one, as far as CPUs and GPUs are all alike.
    private static func shortest(_ tasks: [Quality.Task], cpus: Int, gpus: Int) -> Double {
        var best = Double.infinity
        var placed: [(start: Double, end: Double, cpus: Int, gpus: Int)] = []
        func fits(_ task: Quality.Task, at start: Double) -> Bool {
            let end = start + task.duration
            let moments = [start] + placed.map(\.start).filter { start < $0 && $0 < end }
            return moments.allSatisfy { moment in
                let busy = placed.filter { $0.start <= moment && moment < $0.end }
                return busy.reduce(task.request.cpus) { $0 + $1.cpus } <= cpus
                    && busy.reduce(task.request.gpus.count) { $0 + $1.gpus } <= gpus
            }
        }
        func search(_ left: [Quality.Task], _ makespan: Double) {
            guard makespan < best else { return }
            guard !left.isEmpty else {
                best = makespan
                return
            }
            for next in left.indices {
                var rest = left
                let task = rest.remove(at: next)
                let starts = ([0] + placed.map(\.end)).sorted()
                guard let start = starts.first(where: { fits(task, at: $0) }) else { continue }
                let end = start + task.duration
                placed.append((start, end, task.request.cpus, task.request.gpus.count))
                search(rest, max(makespan, end))
                placed.removeLast()
            }
        }
        search(tasks, 0)
        return best
    }
}

import Glibc
import JobModel
import Scheduling

/// How long decisions take.
enum Speed {
    /// One task on one node, part of whose room is taken; a decision is a whole plan with what it takes.
    static func decisions() -> [[String: Any]] {
        let kinds: [(String, [ResourceRequest])] = [
            ("1 CPU", [Load.request(1)]), ("16 CPUs", [Load.request(16)]),
            ("8 CPUs, 1 GPU", [Load.request(8, gpus: 1)]),
            ("64 CPUs, 4 GPUs", [Load.request(64, gpus: 4)]),
            ("2 CPUs, 1/4 GPU", [Load.request(2, gpus: 1, share: 250)]), ("a mix", Load.mix),
        ]
        return kinds.map { name, requests in
            var load = Load(nodes: 1, of: Machines.large)
            var times = Times()
            while load.decisions < 20_000 {
                let request = requests.randomElement(using: &load.random) ?? requests[0]
                var placed = 0
                times.measure { placed = load.plan([Load.demand(1, request)]).openings.count }
                if placed == 0 || load.running.count > 12 { load.endOne() }
            }
            return [
                "request": name, "median_us": times.quantile(0.5), "p99_us": times.quantile(0.99),
            ]
        }
    }

    /// A full cluster: one task ends, and one of those that wait takes its place.
    static func nodes() -> [[String: Any]] {
        [1, 10, 100, 1000, 10_000].map { count in
            var load = Load(nodes: count, of: Machines.usual)
            load.fill(Load.mix.reversed())
            let waiting = Load.mix.enumerated().map { Load.demand($0, $1, ready: 1000) }
            return row("nodes", count, &load, waiting, turns: 3000)
        }
    }

    /// As many tasks in one job's queue.
    static func tasks() -> [[String: Any]] {
        [10, 1000, 100_000, 10_000_000].map { count in
            var load = Load(nodes: 100, of: Machines.usual)
            load.fill(Load.mix.reversed())
            let waiting = [Load.demand(1, Load.request(4, gpus: 1), ready: count)]
            return row("tasks", count, &load, waiting, turns: 5000)
        }
    }

    /// As many jobs in the queue, ten tasks each.
    static func jobs() -> [[String: Any]] {
        [1, 10, 100, 1000].map { count in
            var load = Load(nodes: 100, of: Machines.usual)
            load.fill(Load.mix.reversed())
            let waiting = (0..<count).map {
                Load.demand($0, Load.mix[$0 % Load.mix.count], ready: 10)
            }
            return row("jobs", count, &load, waiting, turns: 2000)
        }
    }

    private static func row(
        _ name: String, _ count: Int, _ load: inout Load, _ waiting: [Load.Demand], turns: Int
    ) -> [String: Any] {
        var times = Times()
        load.plan(waiting)
        for _ in 0..<turns {
            load.endOne()
            times.measure { load.plan(waiting) }
        }
        return [name: count, "median_us": times.quantile(0.5), "p99_us": times.quantile(0.99)]
    }

    /// A million tasks over a thousand nodes, from the first to the last: placement alone, one plan for each end.
    static func million(tasks: Int, nodes: Int) -> [String: Any] {
        var load = Load(nodes: nodes, of: Machines.usual)
        var ready = Load.mix.map { _ in tasks / Load.mix.count }
        var plans = 0
        let before = clock()
        let duration = ContinuousClock().measure {
            while true {
                let waiting = ready.indices.filter { ready[$0] > 0 }.map {
                    Load.demand($0, Load.mix[$0], ready: ready[$0])
                }
                if !waiting.isEmpty {
                    for opening in load.plan(waiting).openings {
                        ready[Int(opening.demand.job.rawValue)] -= 1
                    }
                    plans += 1
                }
                if load.running.isEmpty { break }
                load.endOne()
            }
        }.components
        let seconds = Double(duration.seconds) + Double(duration.attoseconds) / 1e18
        return [
            "tasks": load.decisions, "nodes": nodes, "plans": plans, "seconds": seconds,
            // What one core of a machine that others use as well would have taken.
            "cpu_seconds": Double(clock() - before) / Double(CLOCKS_PER_SEC),
            "decisions_per_second": Double(load.decisions) / seconds,
        ]
    }
}

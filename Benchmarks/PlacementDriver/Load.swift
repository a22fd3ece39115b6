import JobModel
import Scheduling

/// A pool under load: tasks are placed while there is room, and end one by one.
struct Load {
    typealias Demand = ClusterSnapshot.Demand

    var pool = NodePool()
    var random: Random
    private(set) var running: [(Placement, NodeResources.Reservation)] = []
    private(set) var decisions = 0

    init(nodes: Int, of inventory: NodeInventory, seed: UInt64 = 1) {
        random = Random(state: seed)
        pool = NodePool(
            (0..<nodes).map { (name: "n\($0)", inventory: inventory) }, acceptsWork: true)
    }

    static func request(_ cpus: Int, gpus: Int = 0, share: Int? = nil) -> ResourceRequest {
        var request = ResourceRequest(cpus: cpus, memory: 1 << 30, gpus: GPURequest(gpus))
        request.gpus.share = share
        return request
    }

    static let mix = [
        request(1), request(2), request(4), request(8), request(16), request(4, gpus: 1),
        request(8, gpus: 1), request(16, gpus: 2), request(32, gpus: 4),
        request(2, gpus: 1, share: 250),
    ]

    static func demand(_ job: Int, _ request: ResourceRequest, ready: Int = 1) -> Demand {
        Demand(id: DemandID(job: JobID(Int64(job))), request: request, ready: ready)
    }

    /// One plan; how many tasks it placed.
    @discardableResult
    mutating func plan(_ demands: [Demand]) -> Plan {
        let plan = Scheduler.plan(demands, on: &pool)
        for opening in plan.openings {
            running.append((opening.placement, opening.reservations[0]))
        }
        decisions += plan.openings.count
        return plan
    }

    mutating func fill(_ requests: [ResourceRequest]) {
        for (job, request) in requests.enumerated() {
            plan([Self.demand(job, request, ready: 1 << 30)])
        }
    }

    mutating func endOne() {
        guard !running.isEmpty else { return }
        let place = Int.random(in: running.indices, using: &random)
        running.swapAt(place, running.count - 1)
        let (placement, held) = running.removeLast()
        pool.give(placement, held)
    }
}

/// Nanoseconds of many runs.
struct Times {
    private var all: [Double] = []

    mutating func measure(_ body: () -> Void) {
        let clock = ContinuousClock()
        let duration = clock.measure(body).components
        all.append(Double(duration.seconds) * 1e9 + Double(duration.attoseconds) / 1e9)
    }

    /// Microseconds.
    func quantile(_ part: Double) -> Double {
        guard !all.isEmpty else { return 0 }
        let sorted = all.sorted()
        return sorted[min(sorted.count - 1, Int(Double(sorted.count) * part))] / 1000
    }
}

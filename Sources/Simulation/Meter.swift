import JobModel
import Scheduling

/// Sums over time, kept as it goes on: nothing here grows with time but a waiting time for each task.
struct Meter: Sendable {
    struct Amount: Sendable {
        var cpus = 0.0
        var gpus = 0.0
        static func + (a: Amount, b: Amount) -> Amount {
            Amount(cpus: a.cpus + b.cpus, gpus: a.gpus + b.gpus)
        }
        static func * (a: Amount, b: Amount) -> Amount {
            Amount(cpus: a.cpus * b.cpus, gpus: a.gpus * b.gpus)
        }
        static func * (a: Amount, factor: Double) -> Amount {
            Amount(cpus: a.cpus * factor, gpus: a.gpus * factor)
        }
    }

    private(set) var capacity = Amount()
    private(set) var held = Amount()
    /// Unit times milliseconds.
    private(set) var offered = Amount()
    private(set) var used = Amount()
    private(set) var idleWhileWaiting = Amount()
    private(set) var offeredWhileWaiting = Amount()
    private(set) var waits: [JobID: [Int64]] = [:]
    private(set) var jobUse: [JobID: Amount] = [:]
    private(set) var attempts = 0
    private(set) var lastEnd = Timestamp(milliseconds: 0)
    var lost = 0
    var nodeFailures = 0
    /// Jobs.
    var submitted = 0

    init(_ inventories: [NodeInventory]) {
        for inventory in inventories { up(inventory, 1) }
    }

    mutating func up(_ inventory: NodeInventory, _ sign: Double) {
        let whole = Amount(cpus: Double(inventory.cpuCount), gpus: Double(inventory.gpus.count))
        capacity = capacity + whole * sign
    }

    mutating func advance(
        from: Timestamp, to: Timestamp, waiting: Bool, waitingForGPUs: Bool
    ) {
        let time = Double(to.milliseconds - from.milliseconds)
        offered = offered + capacity * time
        let counts = Amount(cpus: waiting ? time : 0, gpus: waitingForGPUs ? time : 0)
        offeredWhileWaiting = offeredWhileWaiting + capacity * counts
        idleWhileWaiting = idleWhileWaiting + (capacity + held * -1) * counts
    }

    mutating func start(_ dispatch: Dispatch, submitted: Timestamp?, _ now: Timestamp) {
        held = held + Self.amount(dispatch.placement)
        guard dispatch.rank == 0 else { return }
        attempts += 1
        guard dispatch.attempt.number == 1, let submitted else { return }
        waits[dispatch.attempt.task.job, default: []].append(
            now.milliseconds - submitted.milliseconds)
    }

    mutating func end(_ dispatch: Dispatch, from: Timestamp, to: Timestamp) {
        let amount = Self.amount(dispatch.placement)
        held = held + amount * -1
        let spent = amount * Double(to.milliseconds - from.milliseconds)
        used = used + spent
        let job = dispatch.attempt.task.job
        jobUse[job] = (jobUse[job] ?? Amount()) + spent
        lastEnd = max(lastEnd, to)
    }

    private static func amount(_ placement: Placement) -> Amount {
        let gpus = Double(placement.gpus.count)
        return Amount(
            cpus: Double(placement.cpus.count),
            gpus: placement.gpuShare.map { Double($0) / 1000 } ?? gpus)
    }
}

public import JobModel
import Scheduling

/// Which share of each node each job had in each span of time. Of a fixed size: the spans grow as time goes on.
public struct Timeline: Sendable {
    /// Jobs that are told apart; those beyond are taken together.
    public static let slotLimit = 12
    static let spans = 240

    public let nodeCount: Int
    /// Of jobs, and one more of times without the node.
    public let slots: Int
    /// Milliseconds that one span is long.
    private(set) var spanLength: Int64 = 1
    /// Share times milliseconds, by node, span and slot.
    private var shares: [Float]
    private let cpus: [Double]
    private let gpus: [Double]

    init(_ inventories: [NodeInventory], jobs: Int) {
        nodeCount = inventories.count
        slots = max(1, min(jobs, Self.slotLimit)) + 1
        cpus = inventories.map { Double(max(1, $0.cpuCount)) }
        gpus = inventories.map { Double(max(1, $0.gpus.count)) }
        shares = [Float](repeating: 0, count: nodeCount * Self.spans * slots)
    }

    /// Of a job, by its number.
    public func slot(of job: JobID) -> Int { min(Int(job.rawValue) - 1, slots - 2) }
    public var downSlot: Int { slots - 1 }

    mutating func add(_ dispatch: Dispatch, on node: Int, from: Timestamp, to: Timestamp) {
        let placement = dispatch.placement
        let cpuShare = Double(placement.cpus.count) / cpus[node]
        let gpuCount = placement.gpuShare.map { Double($0) / 1000 } ?? Double(placement.gpus.count)
        add(
            max(cpuShare, gpuCount / gpus[node]), slot(of: dispatch.attempt.task.job), on: node,
            from: from, to: to)
    }

    mutating func addDown(_ node: Int, from: Timestamp, to: Timestamp) {
        add(1, downSlot, on: node, from: from, to: to)
    }

    private mutating func add(
        _ share: Double, _ slot: Int, on node: Int, from: Timestamp, to: Timestamp
    ) {
        let (begin, end) = (from.milliseconds, to.milliseconds)
        guard begin < end else { return }
        while end > spanLength * Int64(Self.spans) { halve() }
        var time = begin
        while time < end {
            let span = Int(time / spanLength)
            let next = min(end, Int64(span + 1) * spanLength)
            shares[(node * Self.spans + span) * slots + slot] += Float(share * Double(next - time))
            time = next
        }
    }

    /// Two spans become one.
    private mutating func halve() {
        for node in 0..<nodeCount {
            for span in 0..<Self.spans {
                for slot in 0..<slots {
                    var sum: Float = 0
                    for half in [2 * span, 2 * span + 1] where half < Self.spans {
                        sum += shares[(node * Self.spans + half) * slots + slot]
                    }
                    shares[(node * Self.spans + span) * slots + slot] = sum
                }
            }
        }
        spanLength *= 2
    }

    /// The mean share of each slot over some nodes and a part of the time, in milliseconds.
    func shares(of nodes: Range<Int>, from: Double, to: Double) -> [Double] {
        var sums = [Double](repeating: 0, count: slots)
        let length = Double(spanLength)
        let first = max(0, Int(from / length))
        let last = min(Self.spans - 1, Int((to / length).nextDown))
        guard first <= last, to > from else { return sums }
        for node in nodes {
            for span in first...last {
                let (begin, end) = (Double(span) * length, Double(span + 1) * length)
                // What lies in a span lies evenly in it.
                let part = (min(end, to) - max(begin, from)) / length
                for slot in 0..<slots {
                    sums[slot] +=
                        part * Double(shares[(node * Self.spans + span) * slots + slot])
                }
            }
        }
        return sums.map { $0 / (to - from) / Double(max(1, nodes.count)) }
    }
}

import JobModel

/// CPUs and GPUs, as amounts or as amounts over time.
struct Usage: Sendable, Hashable {
    var cpus = 0.0
    var gpus = 0.0

    init() {}

    init(_ inventory: NodeInventory) {
        cpus = Double(inventory.cpuCount)
        gpus = Double(inventory.gpus.count)
    }

    init(_ request: ResourceRequest) {
        cpus = Double(request.cpus)
        gpus = Double(request.gpus.count) * Double(request.gpus.share ?? 1000) / 1000
    }

    init(_ placement: Placement) {
        cpus = Double(placement.cpus.count)
        gpus = Double(placement.gpus.count) * Double(placement.gpuShare ?? 1000) / 1000
    }

    static func + (a: Usage, b: Usage) -> Usage {
        var sum = a
        sum.cpus += b.cpus
        sum.gpus += b.gpus
        return sum
    }

    static func * (a: Usage, factor: Double) -> Usage {
        var product = a
        product.cpus *= factor
        product.gpus *= factor
        return product
    }

    /// Of what is scarcer of the two: the dominant share (Ghodsi et al., "Dominant Resource Fairness", NSDI 2011).
    func share(of whole: Usage) -> Double {
        max(cpus / max(1, whole.cpus), gpus / max(1, whole.gpus))
    }
}

/// What a job has of the cluster, and had of late: an average in which an hour ago counts half.
struct FairShare: Sendable {
    /// Milliseconds after which use counts half.
    private static let halfLife = 3_600_000.0

    private var held = Usage()
    private var recent = Usage()
    private var settled: Timestamp?

    /// A placement is taken (1) or given back (-1).
    mutating func change(_ usage: Usage, _ sign: Double, _ now: Timestamp) {
        recent = recent(now)
        settled = now
        held = held + usage * sign
    }

    private func recent(_ now: Timestamp) -> Usage {
        guard let settled, settled < now else { return recent }
        let time = Double(now.milliseconds - settled.milliseconds)
        let kept = RealMath.exponential(-RealMath.logarithm(2) * time / Self.halfLife)
        return recent * kept + held * (1 - kept)
    }

    /// What it has and had; of two jobs the one with less is served first.
    func share(of whole: Usage, _ now: Timestamp) -> Double {
        (held + recent(now)).share(of: whole)
    }
}

/// How good a place is: line by line, the first that differs decides. All are whole numbers, and less is better unless it says
/// otherwise.
public struct Score: Sendable, Hashable {
    /// That the task's cores, memory and GPUs lie on; 0 where it is pinned to none.
    public internal(set) var numaNodes = 0
    /// GPUs that were nobody's, for one who wants no more than a part of one, or of a card a slice.
    public internal(set) var gpusBegun = 0
    /// Thousandths that stay free of a GPU that is shared.
    public internal(set) var gpuShareLeft = 0
    /// By how much the GPUs that stay free could be parted better if these were not taken.
    public internal(set) var linksLost = 0
    /// Nearness of the task's GPUs to each other, summed over their pairs; more is better.
    public internal(set) var links = 0
    /// CPUs that are not on the NUMA nodes of the task's GPUs.
    public internal(set) var remoteCPUs = 0
    /// 1 for a task without GPUs on a node that has some left.
    public internal(set) var besideGPUs = 0
    /// CPUs of such a task on NUMA nodes whose GPUs are free.
    public internal(set) var cpusBesideGPUs = 0
    /// Between the NUMA nodes, summed over their pairs.
    public internal(set) var distance = 0
    /// Performance and efficiency cores; 1 where all are alike.
    public internal(set) var coreKinds = 0
    public internal(set) var efficiencyCPUs = 0
    /// Last-level caches.
    public internal(set) var l3Domains = 0
    /// Thousandths of the node's CPUs that are taken, for those who want to be spread over nodes.
    public internal(set) var load = 0
    /// 1 for a node on which nothing ran.
    public internal(set) var nodesBegun = 0
    /// NUMA nodes that were free and are so no longer, but are not used up either.
    public internal(set) var numaNodesBegun = 0
    /// Nearness that is lost between the task's GPUs and those that stay free.
    public internal(set) var linksCut = 0
    /// As NUMA nodes.
    public internal(set) var l3Begun = 0
    /// CPUs that stay free on the task's NUMA nodes, and on the node.
    public internal(set) var cpusLeft = 0
    public internal(set) var nodeCPUsLeft = 0
    // What it is made of, for people.
    /// CPUs that the task gets, and its GPUs.
    public internal(set) var cpus = 0
    public internal(set) var gpus = 0
    /// Least nearness between two of the task's GPUs; 0 where there are no two.
    public internal(set) var weakestLink = 0
}

extension Score {
    /// By the lines above those of cores.
    func gpusAreWorse(than other: Score) -> Bool {
        if numaNodes != other.numaNodes { return numaNodes > other.numaNodes }
        if gpusBegun != other.gpusBegun { return gpusBegun > other.gpusBegun }
        if gpuShareLeft != other.gpuShareLeft { return gpuShareLeft > other.gpuShareLeft }
        if linksLost != other.linksLost { return linksLost > other.linksLost }
        return links < other.links
    }

    /// Whether the first line that differs is better here.
    func isBetter(than other: Score) -> Bool {
        if numaNodes != other.numaNodes { return numaNodes < other.numaNodes }
        if gpusBegun != other.gpusBegun { return gpusBegun < other.gpusBegun }
        if gpuShareLeft != other.gpuShareLeft { return gpuShareLeft < other.gpuShareLeft }
        if linksLost != other.linksLost { return linksLost < other.linksLost }
        if links != other.links { return links > other.links }
        if remoteCPUs != other.remoteCPUs { return remoteCPUs < other.remoteCPUs }
        if besideGPUs != other.besideGPUs { return besideGPUs < other.besideGPUs }
        if cpusBesideGPUs != other.cpusBesideGPUs { return cpusBesideGPUs < other.cpusBesideGPUs }
        if distance != other.distance { return distance < other.distance }
        if coreKinds != other.coreKinds { return coreKinds < other.coreKinds }
        if efficiencyCPUs != other.efficiencyCPUs { return efficiencyCPUs < other.efficiencyCPUs }
        if l3Domains != other.l3Domains { return l3Domains < other.l3Domains }
        if load != other.load { return load < other.load }
        if nodesBegun != other.nodesBegun { return nodesBegun < other.nodesBegun }
        if numaNodesBegun != other.numaNodesBegun { return numaNodesBegun < other.numaNodesBegun }
        if linksCut != other.linksCut { return linksCut < other.linksCut }
        if l3Begun != other.l3Begun { return l3Begun < other.l3Begun }
        if cpusLeft != other.cpusLeft { return cpusLeft < other.cpusLeft }
        return nodeCPUsLeft < other.nodeCPUsLeft
    }
}

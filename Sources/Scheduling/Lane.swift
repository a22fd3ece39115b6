public import JobModel

/// Names a lane for as long as the server runs.
public struct LaneID: Hashable, Comparable, Sendable {
    let rawValue: Int
    public init(_ rawValue: Int) { self.rawValue = rawValue }
    public static func < (a: LaneID, b: LaneID) -> Bool { a.rawValue < b.rawValue }
}

/// Tasks of one job that use one placement, one after the other. Short tasks are sent ahead, so that the node starts the next one
/// the moment its CPUs are free, without asking the head.
struct Lane: Sendable {
    let demand: DemandID
    let placement: Placement
    let reservation: NodeResources.Reservation
    let opened: Timestamp
    /// When the task of it that runs began; nil where that is not known.
    var started: Timestamp?
    /// In the order in which they were sent.
    var tasks: [Int]
}

/// Tasks of one job that need the same: the spec's resources, or those with more memory.
public struct DemandID: Hashable, Sendable {
    public let job: JobID
    /// Bytes, where it differs from the spec's.
    public let memory: Int64?
    public init(job: JobID, memory: Int64? = nil) {
        self.job = job
        self.memory = memory
    }
}

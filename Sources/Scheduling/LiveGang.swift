import JobModel

/// The members of one attempt that runs on several nodes. They start together, and the attempt has ended when each of them has.
struct LiveGang: Sendable {
    struct Member: Sendable {
        let placement: Placement
        let lane: LaneID
        var started: Timestamp?
        /// Nil while it is with its node.
        var end: ExitRecord?
    }

    /// By rank.
    var members: [Member]
    let port: Int
    /// One of them did not succeed, and the others are told to end.
    var isEnding = false

    var gang: Gang { Gang(placements: members.map(\.placement), port: port) }
    /// The same with what has ended.
    var saved: Gang {
        var gang = gang
        for (rank, member) in members.enumerated() { gang.ends[rank] = member.end }
        return gang
    }
    var isOver: Bool { members.allSatisfy { $0.end != nil } }

    /// Each member has a node of its own.
    func rank(on node: String) -> Int? { members.firstIndex { $0.placement.node == node } }

    /// How the attempt ended, once all have: as the first member that failed did; else, where some were ended, as those; else as
    /// rank 0, whose metrics are the attempt's in any case.
    var outcome: ExitRecord? {
        let ends = members.compactMap(\.end)
        let first = ends.filter(\.isFailure).min { $0.ended < $1.ended }
        guard var outcome = first ?? ends.first(where: { !$0.isSuccess }) ?? ends.first else {
            return nil
        }
        outcome.metrics = ends[0].metrics
        outcome.enforcement = ends[0].enforcement
        outcome.started = ends.compactMap(\.started).min()
        outcome.ended = ends.map(\.ended).max() ?? outcome.ended
        outcome.userMicroseconds = ends.reduce(0) { $0 + $1.userMicroseconds }
        outcome.systemMicroseconds = ends.reduce(0) { $0 + $1.systemMicroseconds }
        outcome.peakMemory = ends.map(\.peakMemory).max() ?? 0
        outcome.matchedLogCauses = Set(ends.flatMap(\.matchedLogCauses)).sorted()
        return outcome
    }
}

extension ExitRecord {
    var isSuccess: Bool { status == .code(0) && !timedOut && !cancelled }
    /// It ran, or could not be started, and nobody ended it.
    var isFailure: Bool { !isSuccess && !cancelled && status != .neverStarted }
}

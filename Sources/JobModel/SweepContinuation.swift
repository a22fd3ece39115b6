/// An edited sweep laid over that of a job whose tasks keep their numbers: its points stay where they are, and new ones follow.
public struct SweepContinuation: Sendable {
    /// The job's own sweep, with the new points added.
    public let sweep: ParameterSweep
    /// Points of both.
    public let count: Int
    public let added: Int
    /// Of the job: tasks whose points the edited sweep no longer has, ascending.
    public let dropped: [Range<Int>]

    /// - Throws: where the points have other parameters, so that none of them could be one of the job's.
    public init(of old: SweepExpansion, _ oldSweep: ParameterSweep, as new: SweepExpansion)
        throws(SweepError)
    {
        let (before, after) = (Set(old.names), Set(new.names))
        guard before == after else {
            let more = after.subtracting(before).sorted().joined(separator: ", ")
            let fewer = before.subtracting(after).sorted().joined(separator: ", ")
            throw SweepError(
                "its points have other parameters than the job's"
                    + (more.isEmpty ? "" : "; new: \(more)")
                    + (fewer.isEmpty ? "" : "; gone: \(fewer)"))
        }
        var wanted: [Point] = []
        var left: Set<Point> = []
        for index in 0..<new.count {
            let point = new.point(at: index).inOrder
            if left.insert(point).inserted { wanted.append(new.point(at: index)) }
        }
        var dropped: [Range<Int>] = []
        var known: Set<Point> = []
        for index in 0..<old.count {
            let point = old.point(at: index).inOrder
            known.insert(point)
            guard !left.contains(point) else { continue }
            if let last = dropped.last, last.upperBound == index {
                dropped[dropped.count - 1] = last.lowerBound..<index + 1
            } else {
                dropped.append(index..<index + 1)
            }
        }
        let more = wanted.filter { !known.contains($0.inOrder) }
        var sweep = oldSweep
        sweep.include += more
        self.sweep = sweep
        self.dropped = dropped
        added = more.count
        count = old.count + more.count
    }
}

extension Point {
    /// The same whatever the order in which its parameters were written.
    fileprivate var inOrder: Point { Point(parameters.sorted { $0.name < $1.name }) }
}

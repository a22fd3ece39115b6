/// Tasks of one job: what a selector such as `42`, `42_7` or `42_[3-9]` came to mean.
public struct TaskSelection: Sendable, Hashable, Codable {
    public var job: JobID
    /// Half-open ranges of indexes, `first..<end`; nil means every task of the job. Indexes beyond the job select nothing.
    public var ranges: [Range<Int>]?
    public init(job: JobID, ranges: [Range<Int>]? = nil) {
        self.job = job
        self.ranges = ranges
    }

    /// The ranges within a job of `count` tasks.
    public func ranges(of count: Int) -> [Range<Int>] {
        (ranges ?? [0..<count]).map { $0.clamped(to: 0..<count) }.filter { !$0.isEmpty }
    }
}

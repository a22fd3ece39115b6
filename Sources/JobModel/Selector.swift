/// What people type to name jobs and tasks: `last`, `42`, `42_7`, `42_[3-9,12]`, a job's name.
public struct Selector: Sendable, Hashable {
    public enum Job: Sendable, Hashable {
        case last
        case id(JobID)
        case name(String)
    }
    public let job: Job
    /// Nil means every task.
    public let ranges: [Range<Int>]?
    public let text: String

    public struct Malformed: Error, Sendable, CustomStringConvertible {
        public let description: String
    }

    public init(_ text: String) throws(Malformed) {
        self.text = text
        guard !text.isEmpty else {
            throw Malformed(
                description: "an empty selector; write last, 42, 42_7, 42_[3-9] or a name")
        }
        let head = text.prefix { $0 != "_" }
        // `2024_sweep` is a name: no task is called so.
        let isNumbered =
            (Int64(head) != nil || head == "last")
            && text.dropFirst(head.count).allSatisfy { $0.isNumber || "_[],-".contains($0) }
        guard isNumbered else {
            job = .name(text)
            ranges = nil
            return
        }
        job = Int64(head).map { .id(JobID($0)) } ?? .last
        guard head.count < text.count else {
            ranges = nil
            return
        }
        var tail = text.dropFirst(head.count + 1)
        if tail.hasPrefix("["), tail.hasSuffix("]") { tail = tail.dropFirst().dropLast() }
        var ranges: [Range<Int>] = []
        for part in tail.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
            guard (1...2).contains(ends.count), let first = ends[0],
                let last = ends[ends.count - 1], first >= 0, first <= last, last < Int.max
            else {
                throw Malformed(
                    description: "'\(text)' does not name tasks; write 42_7 or 42_[3-9,12]")
            }
            ranges.append(first..<last + 1)
        }
        self.ranges = ranges
    }

    /// Whether a job of this name could be selected by it.
    public static func isName(_ text: String) -> Bool {
        if case .name? = (try? Selector(text))?.job { true } else { false }
    }

    /// The job that is meant among `jobs`; of several with one name, the newest. Throws where it has no such task.
    public func resolve(among jobs: [JobSummary]) throws(Malformed) -> TaskSelection? {
        let match: JobSummary? =
            switch job {
            case .last: jobs.max { $0.id < $1.id }
            case .id(let id): jobs.first { $0.id == id }
            case .name(let name): jobs.filter { $0.name == name }.max { $0.id < $1.id }
            }
        guard let match else { return nil }
        let count = match.counts.total
        if let beyond = ranges?.first(where: { $0.lowerBound >= count }) {
            throw Malformed(
                description: "job \(match.id) has no task \(beyond.lowerBound): "
                    + (count == 1 ? "its one task is 0" : "its tasks are 0 to \(count - 1)"))
        }
        return TaskSelection(job: match.id, ranges: ranges)
    }
}

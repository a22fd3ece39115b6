/// What people type to name jobs and tasks: `last`, `42`, `42_7`, `42_[3-9,12]`, a job's name, `books_7`.
///
/// Names may have underscores and digits: a job that is called `books_7` comes before task 7 of one that is called `books`.
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
    /// Of a name that ends like tasks what it means where no job has all of it.
    private let tasks: (name: String, ranges: [Range<Int>])?

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
            tasks = Self.tasks(in: text)
            return
        }
        tasks = nil
        job = Int64(head).map { .id(JobID($0)) } ?? .last
        guard head.count < text.count else {
            ranges = nil
            return
        }
        guard let ranges = Self.ranges(in: text.dropFirst(head.count + 1)) else {
            throw Malformed(
                description: "'\(text)' does not name tasks; write 42_7 or 42_[3-9,12]")
        }
        self.ranges = ranges
    }

    /// `books_3-7` apart; nil where it does not end so.
    private static func tasks(in text: String) -> (name: String, ranges: [Range<Int>])? {
        guard let bar = text.lastIndex(of: "_"), bar > text.startIndex,
            let ranges = ranges(in: text[text.index(after: bar)...])
        else { return nil }
        return (String(text[..<bar]), ranges)
    }

    /// `7`, `3-9,12`, `[3-9,12]`.
    private static func ranges(in text: Substring) -> [Range<Int>]? {
        var text = text
        if text.hasPrefix("["), text.hasSuffix("]") { text = text.dropFirst().dropLast() }
        var ranges: [Range<Int>] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
            guard (1...2).contains(ends.count), let first = ends[0],
                let last = ends[ends.count - 1], first >= 0, first <= last, last < Int.max
            else { return nil }
            ranges.append(first..<last + 1)
        }
        return ranges
    }

    /// Whether a job of this name could be selected by it.
    public static func isName(_ text: String) -> Bool {
        if case .name? = (try? Selector(text))?.job { true } else { false }
    }

    /// The job that is meant among `jobs`; of several with one name, the newest. Throws where it has no such task.
    public func resolve(among jobs: [JobSummary]) throws(Malformed) -> TaskSelection? {
        var ranges = ranges
        var match: JobSummary? =
            switch job {
            case .last: jobs.max { $0.id < $1.id }
            case .id(let id): jobs.first { $0.id == id }
            case .name(let name): Self.newest(name, jobs)
            }
        if match == nil, let tasks {
            (match, ranges) = (Self.newest(tasks.name, jobs), tasks.ranges)
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

    private static func newest(_ name: String, _ jobs: [JobSummary]) -> JobSummary? {
        jobs.filter { $0.name == name }.max { $0.id < $1.id }
    }
}

extension Selector {
    public static func == (one: Selector, other: Selector) -> Bool { one.text == other.text }
    public func hash(into hasher: inout Hasher) { hasher.combine(text) }
}

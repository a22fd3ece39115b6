/// A job's number: 1, 2, 3 … in the order of submission, never used again.
public struct JobID: Hashable, Comparable, Sendable, Codable, CustomStringConvertible {
    public let rawValue: Int64
    public init(_ rawValue: Int64) { self.rawValue = rawValue }
    public var description: String { String(rawValue) }
    public static func < (a: JobID, b: JobID) -> Bool { a.rawValue < b.rawValue }

    public init(from decoder: any Decoder) throws {
        rawValue = try decoder.singleValueContainer().decode(Int64.self)
    }
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(rawValue)
    }
}

/// One element of a job's array, written `42_7` as Slurm writes it. `index` counts from 0.
public struct TaskID: Hashable, Comparable, Sendable, Codable, CustomStringConvertible {
    public let job: JobID
    public let index: Int
    public init(job: JobID, index: Int) {
        self.job = job
        self.index = index
    }
    public var description: String { "\(job)_\(index)" }
    public static func < (a: TaskID, b: TaskID) -> Bool { (a.job, a.index) < (b.job, b.index) }
}

/// One try at running a task. `number` counts from 1 and fences: a record of an older attempt changes nothing.
public struct AttemptID: Hashable, Sendable, Codable, CustomStringConvertible {
    public let task: TaskID
    public let number: Int
    public init(task: TaskID, number: Int) {
        self.task = task
        self.number = number
    }
    /// `42_7.2`, also the form in which it travels.
    public var description: String { "\(task).\(number)" }

    /// Reads the form that `description` writes; nil where it is malformed.
    public init?(_ text: some StringProtocol) {
        guard let underscore = text.firstIndex(of: "_"), let dot = text.lastIndex(of: "."),
            underscore < dot,
            let job = Int64(text[..<underscore]),
            let index = Int(text[text.index(after: underscore)..<dot]),
            let number = Int(text[text.index(after: dot)...]), job >= 0, index >= 0, number >= 1
        else { return nil }
        self.init(task: TaskID(job: JobID(job), index: index), number: number)
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let id = AttemptID(text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "not an attempt: \(text)")
        }
        self = id
    }
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

public import JobModel

/// Where one attempt's files lie on the node.
public struct TaskDirectories: Sendable, Hashable {
    public let task: String
    public let attempt: String
    /// Kept across attempts.
    public let checkpoint: String

    public init(job directory: String, attempt id: AttemptID) {
        task = directory + "/tasks/\(id.task.index)"
        attempt = task + "/\(id.number)"
        checkpoint = task + "/" + KeptAttempt.checkpoint
    }
    public var stdout: String { attempt + "/stdout" }
    public var stderr: String { attempt + "/stderr" }
    /// Only where the job's script is run as a file.
    public var script: String { attempt + "/script" }
    public var results: String { attempt + "/results" }
    public var exitRecord: String { attempt + "/exit.json" }
}

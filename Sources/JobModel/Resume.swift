/// Asks that the newest job of a spec's name goes on, with what the spec says now.
public struct ResumeRequest: Sendable, Codable {
    public var spec: JobSpec
    /// The text that was submitted, kept beside the job.
    public var source: String
    /// Whoever asks knows that other keys than the sweep have changed.
    public var consents: Bool
    public init(spec: JobSpec, source: String, consents: Bool) {
        self.spec = spec
        self.source = source
        self.consents = consents
    }
}

/// What became of that: tasks by what is done with them.
public struct ResumeReply: Sendable, Codable {
    public var schema = JobModel.schemaVersion
    /// Nil where there is no job of that name.
    @OrNull public var id: JobID?
    public var name: String
    /// Finished, or under way.
    public var kept = 0
    /// Queued, or queued again.
    public var queued = 0
    /// Points that the job did not have.
    public var added = 0
    /// Points that the sweep no longer has, and that had not finished.
    public var dropped = 0
    public var changes: [SpecChange] = []
    /// False where it waits for consent to the changes: nothing has been done yet.
    public var isDone = false
    public init(id: JobID?, name: String) {
        self.id = id
        self.name = name
    }
}

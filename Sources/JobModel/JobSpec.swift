/// Everything that a person asked for in one submit, read from YAML, JSON or flags, with every default filled in.
public struct JobSpec: Sendable, Equatable, Codable {
    public var name: String
    /// An image reference, a path to an OCI layout, archive or directory, or `host` for the machine's own root.
    public var image: String
    /// Nil keeps the image's own entry point; empty runs without one.
    public var entrypoint: [String]?
    /// With `{parameter}` placeholders; empty means the image's own command.
    public var command: [String]
    /// A shell script in place of `command`, run by `/bin/sh -c` (or by the interpreter of its `#!` line).
    public var script: String?
    public var workdir: String?
    /// `name`, `uid`, `uid:gid`; nil means the image's user.
    public var user: String?
    public var hostname: String?
    public var network: Network
    public var mounts: [Mount]
    public var env: [String: String]
    public var secrets: [String: SecretSource]
    public var sweep: ParameterSweep
    public var resources: ResourceRequest
    public var limits: Limits
    public var retry: RetryPolicy
    public var stop: StopPolicy
    /// Glob patterns, relative to the working directory, of files to bring back beside those in `MARTLET_RESULTS`.
    public var collect: [String]
    /// In the order of their weight.
    public var metrics: [MetricGoal]
    /// Ends tasks early that fall behind; nil lets all run to their end.
    public var search: SearchPolicy?
    public var after: [Dependency]
    public var notify: Notification?
    /// Whether an init runs as PID 1 and reaps.
    public var `init`: Bool
    public var readOnlyRoot: Bool
    public var confinement: Confinement
    public var priority: Priority
    /// Nothing of it begins before; nil means at once.
    public var start: Timestamp?
    /// When it is run again; nil means never.
    public var repetition: RepeatRule?
    /// Nil where it shares its limit with nobody.
    public var group: JobGroup?
    /// Somebody sits at its one task; nil for all that run by themselves. Not for files: only `run` has somebody.
    public var interaction: Interaction?

    public init(
        name: String, image: String, command: [String], sweep: ParameterSweep = ParameterSweep()
    ) {
        self.name = name
        self.image = image
        self.command = command
        self.sweep = sweep
        network = .host
        mounts = []
        env = [:]
        secrets = [:]
        resources = ResourceRequest()
        limits = Limits()
        retry = RetryPolicy()
        stop = StopPolicy()
        collect = []
        metrics = []
        after = []
        `init` = false
        readOnlyRoot = false
        confinement = .standard
        priority = 0
    }
}

/// A path of the machine made visible in the container.
public struct Mount: Sendable, Hashable, Codable {
    public enum Kind: String, Sendable, Codable { case bind, tmpfs }
    public var kind: Kind
    /// Absolute path on the submitting machine; empty for tmpfs.
    public var source: String
    /// Absolute path in the container.
    public var destination: String
    public var readOnly: Bool
    /// tmpfs only, in bytes.
    public var size: Int64?
    public init(
        kind: Kind = .bind, source: String, destination: String, readOnly: Bool = false,
        size: Int64? = nil
    ) {
        self.kind = kind
        self.source = source
        self.destination = destination
        self.readOnly = readOnly
        self.size = size
    }
}

/// Where a secret's value is read from when a task starts; the value itself is never stored.
public enum SecretSource: Sendable, Hashable, Codable {
    case file(String)
    case environment(String)
}

public struct Dependency: Sendable, Hashable, Codable {
    public enum Condition: String, Sendable, Codable, CaseIterable {
        /// When every task of the other job succeeded.
        case ok
        /// When the other job ended, however it did.
        case any
        /// Index by index, when that task succeeded.
        case each
    }
    public var condition: Condition
    /// A job's number or name (the last of that name).
    public var job: String
    public init(condition: Condition, job: String) {
        self.condition = condition
        self.job = job
    }
}

/// Whom to tell of a job, and when; each way that is given is tried until it has succeeded.
public struct Notification: Sendable, Hashable, Codable {
    public enum Event: String, Sendable, Codable, CaseIterable {
        case finished, failed
        case firstFailure = "first_failure"
    }
    public var on: [Event]
    /// Also once more tasks than these have failed.
    public var failures: FailureLimit?
    /// Run by `/bin/sh -c` on the head, with the summary on its standard input; `{job}`, `{name}`, `{state}` and `{event}` are
    /// put in.
    public var run: String?
    /// A URL that is sent the summary as JSON.
    public var webhook: String?
    /// An address that is sent the summary through the system's sendmail(8).
    public var mail: String?
    public init(on: [Event], run: String? = nil) {
        self.on = on
        self.run = run
    }
}

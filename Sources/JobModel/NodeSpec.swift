/// A machine that tasks may be sent to, as its user names it: what `martlet nodes add` and nodes.yaml say.
public struct NodeSpec: Sendable, Hashable, Codable {
    /// Unique, as it is typed and shown: `gpu01`, or what stands before the port of `anna@10.0.0.7:2222`.
    public var name: String
    /// By which other nodes reach it, where that is not the host of `destination`: tasks on several nodes meet there.
    public var address: String?
    /// What ssh(1) is given, so that an alias of the user's own ssh_config(5) works: `[user@]host`.
    public var destination: String
    /// nil leaves it to ssh's configuration.
    public var port: Int?
    /// In addition to what the node says of itself.
    public var labels: [String: String]
    /// A host key that is not known yet is accepted, once; a changed one never is.
    public var acceptsNewHostKey: Bool
    /// Directory on the node for everything of ours; nil lets the node choose.
    public var directory: String?
    /// Milliseconds for which the node's tasks run on without a word from the head; 0 means for ever, nil the standard.
    public var lease: Int64?
    /// It gets images from their registries by itself, and from the head only what it cannot get so. Nil is no.
    public var pulls: Bool?

    /// `lease` with the standard filled in, in milliseconds; nil means for ever.
    public var leaseTime: Int64? {
        let time = lease ?? Self.standardLease
        return time > 0 ? time : nil
    }

    /// `destination` without its user.
    public var host: String { destination.split(separator: "@").last.map(String.init) ?? name }

    /// Once: another head that has the node loses it, and its tasks there are ended. Never kept.
    public var takesOver: Bool?

    /// 40 minutes, as HTCondor's job_lease_duration.
    public static let standardLease: Int64 = 40 * 60 * 1000
    /// Three silences after which a connection is given up (`Heartbeat.patience`).
    public static let shortestLease: Int64 = 60_000

    public init(name: String, destination: String, port: Int? = nil, labels: [String: String] = [:])
    {
        self.name = name
        self.destination = destination
        self.port = port
        self.labels = labels
        acceptsNewHostKey = false
    }
}

/// What becomes of the tasks of a node that is to take no more.
public enum Draining: String, Sendable, Codable, CaseIterable {
    /// Those that run end by themselves; those that have not started are queued again.
    case wait
    /// All are ended and queued again, which counts as no failure.
    case requeue
}

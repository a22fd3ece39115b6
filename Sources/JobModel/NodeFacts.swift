/// What a node says of its system, for `martlet nodes check`. Nil is not known.
public struct NodeFacts: Sendable, Hashable, Codable {
    /// As uname(2) has it: `6.1.0-13-amd64`.
    public var kernel: String
    /// PRETTY_NAME of os-release(5).
    public var distribution: String?
    /// Whose the agent is.
    public var uid: UInt32
    public var user: String?
    /// `v2`, `hybrid`, `v1` or `none`.
    public var cgroupLayout: String
    /// Those that a launcher of this user can hold tasks with.
    public var controllers: [String]
    /// Whether this user can make user namespaces; nil for root, who needs none.
    public var userNamespaces: Bool?
    /// Ids that /etc/subuid and /etc/subgid grant, and newuidmap can map; nil for root.
    public var subordinateIDs: Int64?
    /// Where the agent keeps its files, the bytes left there, and the kind of file system: `ext4`, `nfs` …
    public var directory: String
    public var freeDisk: Int64?
    public var fileSystem: String?
    /// Of the home directory.
    public var homeFileSystem: String?
    /// Whether systemd-logind runs there, keeps this user's processes and directory without a session, and would end them.
    public var hasLogind: Bool
    public var lingers: Bool
    public var killsUserProcesses: Bool
    /// Whether a curl(1) is in the agent's PATH, for a node that pulls by itself.
    public var hasCurl: Bool?

    public init(kernel: String, uid: UInt32, directory: String) {
        self.kernel = kernel
        self.uid = uid
        self.directory = directory
        cgroupLayout = "none"
        controllers = []
        hasLogind = false
        lingers = false
        killsUserProcesses = false
    }
}

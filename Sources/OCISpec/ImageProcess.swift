/// The parts of an OCI image configuration that shape the process (image-spec, config.md).
public struct ImageProcess: Sendable, Hashable, Codable {
    public var entrypoint: [String]
    public var command: [String]
    /// `NAME=value`, in order.
    public var environment: [String]
    public var workingDirectory: String
    /// `user`, `uid`, `user:group`, `uid:gid` or empty.
    public var user: String
    public var stopSignal: Int32?
    public init(
        entrypoint: [String] = [], command: [String] = [], environment: [String] = [],
        workingDirectory: String = "/",
        user: String = "", stopSignal: Int32? = nil
    ) {
        self.entrypoint = entrypoint
        self.command = command
        self.environment = environment
        self.workingDirectory = workingDirectory
        self.user = user
        self.stopSignal = stopSignal
    }
}

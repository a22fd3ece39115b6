/// How a registry is spoken to.
public struct RegistrySettings: Sendable {
    /// Connections to one host at once.
    public var connections: Int
    /// Bytes of one ranged request; a smaller blob is fetched in one.
    public var chunkSize: Int64
    /// Tries of one request without progress in between.
    public var attempts: Int
    /// Seconds before the second try; doubles with each, with full jitter, to at most a minute.
    public var firstDelay: Double
    /// Seconds in which a connection must be made.
    public var connectTimeout: Int
    /// Seconds with less than 1 KiB/s after which a transfer counts as stalled and is tried again.
    public var stallTimeout: Int
    /// Environment in which credentials, configuration and certificates are looked up.
    public var environment: [String: String]
    /// Where the machine's configuration is: `containers` and `docker` below it.
    public var systemConfiguration: String
    /// Told what a registry wants people to know, each text once. Called on any thread.
    public var warn: @Sendable (String) -> Void
    public init(environment: [String: String] = [:]) {
        connections = 8
        chunkSize = 8 << 20
        attempts = 5
        firstDelay = 0.5
        connectTimeout = 20
        stallTimeout = 30
        systemConfiguration = "/etc"
        warn = { _ in }
        self.environment = environment
    }
}

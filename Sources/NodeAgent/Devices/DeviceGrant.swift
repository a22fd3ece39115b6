public import ContainerRuntime

/// What a task's container is given with its GPUs. Pure.
public struct DeviceGrant: Sendable, Hashable {
    public var injection = DeviceInjection()
    /// Of the environment, over the image's and beneath the spec's.
    public var environment: [String: String] = [:]
    public init() {}

    mutating func append(_ other: DeviceGrant) {
        injection.append(other.injection)
        environment.merge(other.environment) { _, later in later }
    }
}

extension DeviceInjection.Mount {
    /// As vendors' own tools have it: read-only, nothing that gives rights, and nothing of it goes back to the machine.
    static func readOnly(_ source: String, on destination: String) -> Self {
        Self(source, on: destination, options: ["rbind", "ro", "nosuid", "nodev", "rprivate"])
    }

    /// A socket: what is written there goes to a daemon, and no file of it can be run.
    static func socket(_ source: String, on destination: String) -> Self {
        Self(source, on: destination, options: ["rbind", "noexec", "nosuid", "nodev", "rprivate"])
    }
}

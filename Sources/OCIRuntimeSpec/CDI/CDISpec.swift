/// A file of the Container Device Interface: devices by name, and what a container is to be given with each.
public struct CDISpec: Sendable, Hashable {
    /// The newest version that is read.
    public static let newestVersion = "1.1.0"
    /// `cdiVersion`.
    public var version: String
    /// `kind` is vendor/class: `nvidia.com`, `gpu`.
    public var vendor: String
    public var deviceClass: String
    public var annotations: [String: String] = [:]
    public var devices: [CDIDevice] = []
    /// Made once where any of the devices is asked for.
    public var edits = ContainerEdits()
    public init(version: String, vendor: String, deviceClass: String) {
        self.version = version
        self.vendor = vendor
        self.deviceClass = deviceClass
    }
    public var kind: String { "\(vendor)/\(deviceClass)" }
}

public struct CDIDevice: Sendable, Hashable {
    /// Within its kind: `0`, `GPU-…`, `0:1`, `all`.
    public var name: String
    public var annotations: [String: String] = [:]
    /// Made where this device is asked for. Never empty.
    public var edits: ContainerEdits
    public init(name: String, edits: ContainerEdits) {
        self.name = name
        self.edits = edits
    }
}

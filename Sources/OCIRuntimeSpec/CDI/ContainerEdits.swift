/// What devices add to a container (`containerEdits` of the Container Device Interface).
public struct ContainerEdits: Sendable, Hashable {
    /// A device's file. What is nil is as the host's own file has it.
    public struct DeviceNode: Sendable, Hashable {
        /// In the container, absolute.
        public var path: String
        /// On the host; nil means that it is the same.
        public var hostPath: String?
        public var kind: DeviceSpec.Kind?
        public var major: Int64?
        public var minor: Int64?
        /// Permission bits.
        public var fileMode: UInt32?
        /// In the container; nil means the process's own.
        public var uid: UInt32?
        public var gid: UInt32?
        /// What the device cgroup allows, some of `r`, `w`, `m`.
        public var access = "rwm"
        public init(path: String) { self.path = path }
    }

    /// `NAME=value`; later ones replace earlier ones.
    public var env: [String] = []
    /// Each replaces what the container has at its path.
    public var deviceNodes: [DeviceNode] = []
    /// Network interface of the host → its name in the container.
    public var netDevices: [String: String] = [:]
    /// Each replaces a mount at its destination. Made in the order of their depth.
    public var mounts: [MountSpec] = []
    public var hooks = HooksSpec()
    public var additionalGids: [UInt32] = []
    public var intelRdt: IntelRdtSpec?
    public init() {}

    public var isEmpty: Bool { self == ContainerEdits() }

    /// Adds those of another device. Of resctrl the later one counts.
    public mutating func append(_ other: ContainerEdits) {
        env += other.env
        deviceNodes += other.deviceNodes
        netDevices.merge(other.netDevices) { _, later in later }
        mounts += other.mounts
        hooks.append(other.hooks)
        additionalGids += other.additionalGids
        intelRdt = other.intelRdt ?? intelRdt
    }
}

extension HooksSpec {
    fileprivate mutating func append(_ other: HooksSpec) {
        prestart += other.prestart
        createRuntime += other.createRuntime
        createContainer += other.createContainer
        startContainer += other.startContainer
        poststart += other.poststart
        poststop += other.poststop
    }
}

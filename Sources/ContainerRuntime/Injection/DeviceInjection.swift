/// Devices of the machine that a container is given, with what their driver has to have there. A pure value; nothing of it is the
/// image's choice. Paths in the container are absolute and do not climb (`checked`).
public struct DeviceInjection: Sendable, Hashable {
    /// A device's file, by its number: no other file of that name is taken for it.
    public struct Node: Sendable, Hashable {
        public enum Kind: UInt8, Sendable { case character, block, fifo }
        /// In the container.
        public var path: String
        /// On the machine, for where no node can be made.
        public var source: String
        public var kind: Kind
        public var major: Int64
        public var minor: Int64
        /// Permission bits, and owners in the container. As the machine has them where it is the machine's own node.
        public var mode: UInt32
        public var uid: UInt32
        public var gid: UInt32
        public init(
            path: String, source: String, kind: Kind = .character, major: Int64, minor: Int64,
            mode: UInt32 = 0o666, uid: UInt32 = 0, gid: UInt32 = 0
        ) {
            self.path = path
            self.source = source
            self.kind = kind
            self.major = major
            self.minor = minor
            self.mode = mode
            self.uid = uid
            self.gid = gid
        }
    }

    /// A file or directory of the machine's, with options as mount(8) has them. Devices and setuid programs in it are none.
    public struct Mount: Sendable, Hashable {
        public var source: String
        public var destination: String
        public var options: [String]
        public init(_ source: String, on destination: String, options: [String]) {
            self.source = source
            self.destination = destination
            self.options = options
        }
    }

    /// A symbolic link, in the place of a file that the image has there.
    public struct Link: Sendable, Hashable {
        public var path: String
        public var target: String
        public init(_ path: String, to target: String) {
            self.path = path
            self.target = target
        }
    }

    /// A text in the place of a file that is there, which the kernel's own may be; read-only.
    public struct File: Sendable, Hashable {
        public var path: String
        public var text: String
        public init(_ path: String, _ text: String) {
            self.path = path
            self.text = text
        }
    }

    /// What the dynamic linker is to find under a name, before what the image has of that name.
    public struct Library: Sendable, Hashable {
        /// DT_SONAME, elf(5).
        public var name: String
        public var path: String
        public init(_ name: String, at path: String) {
            self.name = name
            self.path = path
        }
    }

    public var nodes: [Node] = []
    /// Made in the order of their depth.
    public var mounts: [Mount] = []
    public var links: [Link] = []
    public var files: [File] = []
    public var libraries: [Library] = []
    /// Of the machine, which the container's first process gets besides its user's.
    public var groups: [UInt32] = []
    public init() {}

    public var isEmpty: Bool { self == DeviceInjection() }

    public mutating func append(_ other: DeviceInjection) {
        // One that two devices share, nvidiactl or a library, is there once; of one place the later has it.
        nodes = nodes.filter { node in !other.nodes.contains { $0.path == node.path } }
        nodes += other.nodes
        mounts = mounts.filter { mount in
            !other.mounts.contains { $0.destination == mount.destination }
        }
        mounts += other.mounts
        links += other.links.filter { !links.contains($0) }
        files += other.files.filter { !files.contains($0) }
        libraries += other.libraries.filter { !libraries.contains($0) }
        groups += other.groups.filter { !groups.contains($0) }
    }
}

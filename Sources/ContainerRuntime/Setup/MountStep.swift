/// Steps that shape the tree of a bundle's container. Where one belongs to a field of config.json, it carries the field's
/// name, for errors.
public enum MountStep: Sendable, Hashable, CustomStringConvertible {
    /// Of all mounts that came along from the machine: none of what follows goes back there. An MS_ flag.
    case inherited(UInt)
    /// Takes a copy of a tree of the machine, while the machine's paths are still there and reachable.
    case take(field: String, path: String, slot: Int, isRecursive: Bool)
    /// The tree in that slot becomes the root. `path` is where the machine has it.
    case root(path: String, slot: Int)
    case fileSystem(FileSystemMount)
    case bind(BindMount)
    case cgroup(CgroupMount)
    /// A device node; taken from the machine where making one is not allowed.
    case device(DeviceNode)
    /// /dev/fd and its like, and /dev/ptmx (config-linux.md, "Default Devices"; runtime-linux.md, "Dev symbolic links").
    case deviceLinks
    case readOnly(String)
    case mask(String)
    /// A file system that was wanted read-only and had to be filled first.
    case seal(String)
    case rootReadOnly
    case rootPropagation(UInt)
    /// Moves the root onto the machine's, where pivot_root(2) cannot be: on an initramfs.
    case moveRoot
    case changeRoot

    public var description: String {
        switch self {
        case .inherited: "mounts        of the machine take nothing back"
        case .take(_, let path, _, _): "take          \(path)"
        case .root(let path, _): "root          \(path)"
        case .fileSystem(let mount): "mount         \(mount.type) on \(mount.destination)"
        case .bind(let mount): "bind          \(mount.source) on \(mount.destination)"
        case .cgroup(let mount): "mount         cgroups on \(mount.destination)"
        case .device(let node): "device        \(node.path)"
        case .deviceLinks: "links         /dev/fd, /dev/stdin, /dev/stdout, /dev/stderr, /dev/ptmx"
        case .readOnly(let path): "read-only     \(path)"
        case .mask(let path): "mask          \(path)"
        case .seal(let path): "read-only     \(path) from here on"
        case .rootReadOnly: "root          read-only from here on"
        case .rootPropagation: "root          propagates as asked"
        case .moveRoot: "move root     onto the machine's"
        case .changeRoot: "chroot"
        }
    }
}

public struct FileSystemMount: Sendable, Hashable {
    let field: String
    let type: String
    let source: String
    let destination: String
    let options: MountOptions
}

public struct BindMount: Sendable, Hashable {
    let field: String
    let source: String
    let destination: String
    let options: MountOptions
    /// Where `take` has put the source's tree.
    let slot: Int
}

/// The container's view of the cgroups, cgroups(7).
public struct CgroupMount: Sendable, Hashable {
    /// One hierarchy: where the machine has it, where in that the container is, and under which names it is found.
    struct Hierarchy: Sendable, Hashable {
        /// A name in the mount point, empty where the hierarchy is all there is (v2).
        let name: String
        let links: [String]
        /// `cgroup` or `cgroup2` with the options that choose the hierarchy.
        let type: String
        let parameters: [MountOptions.Parameter]
        let directory: String
        let slot: Int
    }
    let field: String
    let destination: String
    let options: MountOptions
    let hierarchies: [Hierarchy]
    /// The container has a cgroup namespace of its own: then the hierarchies are mounted anew, and show its own subtree.
    let isNamespaced: Bool
}

public struct DeviceNode: Sendable, Hashable {
    let field: String
    let path: String
    /// S_IFCHR, S_IFBLK or S_IFIFO with the permissions.
    let mode: UInt32
    let major: Int64
    let minor: Int64
    let uid: UInt32
    let gid: UInt32
    /// In a user namespace mknod(2) is refused: the machine's node is bound.
    let slot: Int?
}

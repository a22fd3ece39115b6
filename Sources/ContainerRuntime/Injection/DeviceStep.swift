internal import Glibc

/// Steps that give a container devices and the files of their driver.
public enum DeviceStep: Sendable, Hashable, CustomStringConvertible {
    /// /dev of the container's own, where nodes can be added until it is sealed.
    case directory(shm: Int64?, ownTerminalGroup: Bool)
    case link(DeviceInjection.Link)
    case file(DeviceInjection.File)
    /// Names for the dynamic linkers of glibc and of musl.
    case libraries([DeviceInjection.Library])
    /// Of its first process, besides those of its user.
    case groups([UInt32])

    public var description: String {
        switch self {
        case .directory(let shm, _):
            "mount         /dev of its own, /dev/pts, /dev/shm\(shm.map { " of \($0) bytes" } ?? "")"
        case .link(let link): "link          \(link.path) to \(link.target)"
        case .file(let file): "file          \(file.path), \(file.text.utf8.count) bytes, read-only"
        case .libraries(let libraries):
            "libraries     \(libraries.map(\.name).joined(separator: " "))"
        case .groups(let groups): "groups        \(groups.map(String.init).joined(separator: ","))"
        }
    }
}

extension DeviceInjection {
    static let field = "devices"

    /// After /dev is there, and before whatever a user mounts: what is written here must land in the container alone. Pure.
    func steps(on host: HostFacts, isPrivileged: Bool) -> [SetupStep] {
        var steps: [SetupStep] = []
        var slot = 0
        func take(_ path: String, recursive: Bool) -> Int {
            slot += 1
            steps.append(
                .mount(.take(field: Self.field, path: path, slot: slot, isRecursive: recursive)))
            return slot
        }
        // A privileged container has all of the machine's.
        for node in isPrivileged ? [] : nodes {
            // Elsewhere the root opens no devices; and in a user namespace mknod(2) is refused.
            let isBound = host.inUserNamespace || !node.path.hasPrefix("/dev/")
            let slot = isBound ? take(node.source, recursive: false) : nil
            steps.append(.mount(.device(DeviceNode(node, slot: slot))))
        }
        for mount in sortedMounts {
            let options = MountOptions(mount.options + ["nosuid", "nodev"])
            let slot = take(mount.source, recursive: options.isRecursive)
            steps.append(
                .mount(
                    .bind(
                        BindMount(
                            field: Self.field, source: mount.source,
                            destination: mount.destination, options: options, slot: slot))))
        }
        steps += links.map { .device(.link($0)) } + files.map { .device(.file($0)) }
        if !libraries.isEmpty { steps.append(.device(.libraries(libraries))) }
        if !isPrivileged { steps.append(.mount(.seal("/dev"))) }
        return steps
    }

    /// Parents before what is mounted within them.
    private var sortedMounts: [Mount] {
        func depth(_ mount: Mount) -> Int { mount.destination.split(separator: "/").count }
        return mounts.enumerated().sorted { a, b in
            depth(a.element) == depth(b.element)
                ? a.offset < b.offset : depth(a.element) < depth(b.element)
        }.map(\.element)
    }
}

extension DeviceNode {
    init(_ node: DeviceInjection.Node, slot: Int?) {
        let type: UInt32 =
            switch node.kind {
            case .character: S_IFCHR
            case .block: S_IFBLK
            case .fifo: S_IFIFO
            }
        self.init(
            field: DeviceInjection.field, path: node.path, mode: type | node.mode & 0o777,
            major: node.major, minor: node.minor, uid: node.uid, gid: node.gid, slot: slot)
    }
}

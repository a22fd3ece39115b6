internal import Glibc
public import LinuxSystem
public import OCIRuntimeSpec

/// Who makes a container's cgroup.
public enum CgroupManager: String, Sendable, CaseIterable {
    /// The runtime itself, by mkdir(2).
    case cgroupfs
    /// systemd, as a transient scope.
    case systemd
    /// Nobody: the container stays where the runtime is.
    case disabled
}

/// What a container asks of cgroups.
public struct CgroupRequest: Sendable {
    public var id: String
    public var manager: CgroupManager
    /// `linux.cgroupsPath`.
    public var path: String?
    public var resources: ResourcesSpec?
    /// No privilege over the machine's cgroups is expected: where no directory can be made and no limit is asked for, the
    /// container goes without.
    public var isRootless: Bool

    public init(
        id: String, manager: CgroupManager = .cgroupfs, path: String? = nil,
        resources: ResourcesSpec? = nil, isRootless: Bool = false
    ) {
        self.id = id
        self.manager = manager
        self.path = path
        self.resources = resources
        self.isRootless = isRootless
    }
}

/// The cgroup of one OCI container: a directory in each v1 hierarchy, one in the v2 tree, or both.
///
/// In order: `make`; clone the child into `openForClone`, where there is one; `admit` it before it goes on (or let a v1 child
/// join `directoriesToJoin` by itself); after that it may unshare a cgroup namespace. `remove` at the end, and on failure.
/// No method may be called concurrently with another for the same container.
public struct ContainerCgroup: Sendable, Equatable {
    public let manager: CgroupManager
    /// v1 controller, or `unified`, → directory.
    public internal(set) var directories: [String: String] = [:]
    /// systemd's unit, and whether it is the user's own systemd.
    var scope: Scope?
    /// What is set once a process is there to hold the unit; nil once it is.
    var pending: CgroupRequest?
    /// What was done without, one line each, for the log.
    public internal(set) var notes: [String] = []

    struct Scope: Sendable, Equatable {
        var name: SystemdScopeName
        var isUser: Bool
    }

    init(manager: CgroupManager) { self.manager = manager }

    public static func == (a: ContainerCgroup, b: ContainerCgroup) -> Bool { a.record == b.record }

    /// The directory of the v2 tree.
    public var unified: String? { directories[Self.unified] }

    static let unified = "unified"

    /// Each directory once: v1 controllers may share a hierarchy.
    var everyDirectory: [String] { Set(directories.values).sorted() }

    /// Where a v1 controller's files are, or else v2's.
    func home(of controller: String) -> (directory: String, isUnified: Bool)? {
        if let v1 = directories[controller] { return (v1, false) }
        return unified.map { ($0, true) }
    }
}

// MARK: State file

extension ContainerCgroup {
    /// To be kept in the container's state, and read by `init(record:)`.
    public var record: [String: String] {
        var record = ["manager": manager.rawValue]
        for (controller, directory) in directories { record["directory." + controller] = directory }
        if let scope {
            record["slice"] = scope.name.slice
            record["unit"] = scope.name.unit
            record["systemd"] = scope.isUser ? "user" : "system"
        }
        return record
    }

    /// Throws EINVAL where something else wrote it.
    public init(record: [String: String]) throws(SystemError) {
        guard let manager = record["manager"].flatMap(CgroupManager.init) else {
            throw SystemError("read", "state: cgroup.manager", errno: EINVAL)
        }
        self.init(manager: manager)
        for (key, value) in record where key.hasPrefix("directory.") {
            // It is going to be removed: nothing but a plain absolute path will do.
            guard try CgroupPath(value).isAbsolute else {
                throw SystemError("read", "state: cgroup.\(key)", errno: EINVAL)
            }
            directories[String(key.dropFirst("directory.".utf8.count))] = value
        }
        if let slice = record["slice"], let unit = record["unit"] {
            scope = Scope(
                name: SystemdScopeName(slice: slice, unit: unit),
                isUser: record["systemd"] == "user")
        }
    }
}

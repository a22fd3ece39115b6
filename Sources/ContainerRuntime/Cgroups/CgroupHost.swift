internal import LinuxSystem

/// How a machine mounts its cgroups, and where this process stands in them (cgroups(7)).
struct CgroupHost: Sendable, Equatable {
    struct Hierarchy: Sendable, Equatable {
        /// Where it is mounted.
        let mount: String
        /// This process's own cgroup as a path beneath the mount; empty for the top.
        let own: String
    }

    enum Layout: String { case v2, hybrid, v1, none }

    /// The v2 tree; beside v1 hierarchies it may have no controllers.
    var unified: Hierarchy?
    /// By controller, and by name where a hierarchy has that alone: `name=systemd`.
    var v1: [String: Hierarchy] = [:]

    var layout: Layout {
        switch (unified != nil, v1.isEmpty) {
        case (true, true): .v2
        case (true, false): .hybrid
        case (false, false): .v1
        case (false, true): .none
        }
    }

    /// `pid` is whose own place is meant.
    static func detect(pid: String = "self") -> CgroupHost {
        // Without these files there are no cgroups to use.
        guard let own = try? Files.text("/proc/\(pid)/cgroup") else { return CgroupHost() }
        let usual = "/sys/fs/cgroup"
        // The length of mountinfo grows with the machine's containers; most machines need none of it.
        if (try? Files.fileSystemType(usual)) == unifiedMagic, let path = paths(own)[""] {
            return CgroupHost(unified: Hierarchy(mount: usual, own: path == "/" ? "" : path))
        }
        guard let mounts = try? Files.text("/proc/self/mountinfo") else { return CgroupHost() }
        return CgroupHost(own: own, mounts: mounts)
    }

    /// CGROUP2_SUPER_MAGIC of linux/magic.h.
    private static let unifiedMagic: Int64 = 0x6367_7270

    init(unified: Hierarchy? = nil) { self.unified = unified }

    /// From the texts of /proc/self/cgroup and /proc/self/mountinfo.
    init(own: String, mounts: String) {
        let paths = Self.paths(own)
        for line in mounts.utf8.split(separator: UInt8(ascii: "\n")) {
            let fields = line.split(separator: UInt8(ascii: " ")).map(Substring.init)
            guard let dash = fields.firstIndex(of: "-"), dash >= 6, fields.count > dash + 3 else {
                continue
            }
            let (root, mount) = (String(fields[3]), String(fields[4]))
            switch fields[dash + 1] {
            case "cgroup2":
                guard unified == nil, let path = paths[""] else { continue }
                unified = Hierarchy(mount: mount, own: Self.beneath(root, path))
            case "cgroup":
                for option in fields[dash + 3].utf8.split(separator: UInt8(ascii: ",")) {
                    let option = String(Substring(option))
                    guard let path = paths[option], v1[option] == nil else { continue }
                    v1[option] = Hierarchy(mount: mount, own: Self.beneath(root, path))
                }
            default: break
            }
        }
    }

    /// Lines of `id:controllers:path`; v2's has no controllers.
    private static func paths(_ text: String) -> [String: String] {
        var paths: [String: String] = [:]
        for line in text.utf8.split(separator: UInt8(ascii: "\n")) {
            let fields = line.split(
                separator: UInt8(ascii: ":"), maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { continue }
            let path = String(Substring(fields[2]))
            for controller in fields[1].split(
                separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
            {
                paths[String(Substring(controller))] = path
            }
        }
        return paths
    }

    /// A mount may show a part of its hierarchy alone, as in a container. What lies outside of it counts as its top.
    private static func beneath(_ root: String, _ path: String) -> String {
        if root == "/" { return path == "/" || path.hasPrefix("/..") ? "" : path }
        return path.hasPrefix(root + "/") ? String(path.dropFirst(root.utf8.count)) : ""
    }
}

/// What the reader may use of a machine: its affinity mask, and its cpuset by either version of cgroups. Nil means all.
struct Allowance {
    private(set) var cpus: Set<Int>?
    private(set) var memoryNodes: Set<Int>?

    init(_ system: borrowing SystemRoot) {
        // proc_pid_status(5): sched_getaffinity(2) and get_mempolicy(2) of the reader, cpusets included, for this machine.
        for line in system.text("/proc/self/status")?.split(separator: "\n") ?? [] {
            let parts = line.split(separator: ":")
            guard parts.count == 2 else { continue }
            switch parts[0] {
            case "Cpus_allowed_list": cpus = Set(CPUList.parse(parts[1]))
            case "Mems_allowed_list": memoryNodes = Set(CPUList.parse(parts[1]))
            default: break
            }
        }
        guard let cpuset = CPUSet(system) else { return }
        cpus = Self.both(cpus, cpuset.cpus)
        memoryNodes = Self.both(memoryNodes, cpuset.memoryNodes)
    }

    private static func both(_ one: Set<Int>?, _ list: [Int]?) -> Set<Int>? {
        // An empty file of version 1 was never written to, and holds nobody.
        guard let list, !list.isEmpty else { return one }
        return one.map { $0.intersection(list) } ?? Set(list)
    }
}

/// The reader's cpuset: what its cgroup has in effect.
private struct CPUSet {
    let cpus: [Int]?
    let memoryNodes: [Int]?

    private struct Mount {
        /// Of the hierarchy, what is mounted.
        var root = "/"
        let target: String
        let isVersion2: Bool
    }

    init?(_ system: borrowing SystemRoot) {
        let mounts = Self.mounts(system)
        let paths = Self.paths(system)
        // The controller is in one hierarchy; version 1 is mounted for what it has alone.
        if let mount = mounts.first(where: { !$0.isVersion2 }), let path = paths.version1 {
            let files = [["cpuset.effective_", "effective_", "cpuset.", ""]].joined()
            self.init(system, mount, path, files.map { $0 + "cpus" }, files.map { $0 + "mems" })
        } else if let mount = mounts.first(where: \.isVersion2), let path = paths.version2 {
            self.init(system, mount, path, ["cpuset.cpus.effective"], ["cpuset.mems.effective"])
        } else {
            return nil
        }
    }

    /// By the first of the files that is there, in the cgroup or the next above it that has the controller.
    private init?(
        _ system: borrowing SystemRoot, _ mount: Mount, _ path: String, _ cpuFiles: [String],
        _ memoryFiles: [String]
    ) {
        var path =
            mount.root != "/" && path.hasPrefix(mount.root)
            ? path.dropFirst(mount.root.count) : path[...]
        while true {
            let folder = mount.target + path + "/"
            if let file = cpuFiles.first(where: { system.text(folder + $0) != nil }) {
                cpus = system.cpus(folder + file)
                var nodes: [Int]?
                for file in memoryFiles where nodes == nil { nodes = system.cpus(folder + file) }
                memoryNodes = nodes
                return
            }
            guard let slash = path.lastIndex(of: "/") else { return nil }
            path = path[..<slash]
        }
    }

    /// proc_pid_mountinfo(5), or the older list that does not know roots.
    private static func mounts(_ system: borrowing SystemRoot) -> [Mount] {
        if let text = system.text("/proc/self/mountinfo") {
            return text.split(separator: "\n").compactMap { line in
                let words = line.split(separator: " ")
                guard let dash = words.firstIndex(of: "-"), dash >= 6, dash + 3 < words.count,
                    var mount = mount(words[dash + 1], words[4], words[dash + 3])
                else { return nil }
                mount.root = String(words[3])
                return mount
            }
        }
        return (system.text("/proc/mounts") ?? "").split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ")
            return words.count > 3 ? mount(words[2], words[1], words[3]) : nil
        }
    }

    private static func mount(_ type: Substring, _ target: Substring, _ options: Substring)
        -> Mount?
    {
        switch type {
        case "cgroup2": Mount(target: String(target), isVersion2: true)
        case "cgroup" where options.split(separator: ",").contains("cpuset"), "cpuset":
            Mount(target: String(target), isVersion2: false)
        default: nil
        }
    }

    /// cgroups(7): `4:cpuset:/a` and `0::/b`.
    private static func paths(_ system: borrowing SystemRoot)
        -> (version1: String?, version2: String?)
    {
        var paths: (version1: String?, version2: String?) = (nil, nil)
        for line in system.text("/proc/self/cgroup")?.split(separator: "\n") ?? [] {
            let parts = line.split(
                separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            if parts[0] == "0", parts[1].isEmpty { paths.version2 = String(parts[2]) }
            if parts[1].split(separator: ",").contains("cpuset") {
                paths.version1 = String(parts[2])
            }
        }
        // Before cgroups had more than cpusets.
        paths.version1 = paths.version1 ?? system.text("/proc/self/cpuset")
        return paths
    }
}

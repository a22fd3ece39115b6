internal import CLinux
internal import Glibc
internal import LinuxSystem

/// The cgroups of one launcher: v2 where a subtree is ours to divide, else the v1 hierarchies, else none.
///
/// Directories are pooled: making and removing one takes a global lock of the kernel, and a task needs its own only
/// while it runs. On v1 a task without limits gets none: affinity is enough, and joining costs an RCU grace period.
struct Cgroups {
    /// One task's directories.
    struct Slot {
        /// v2: one directory; v1: controller → directory.
        let directories: [String: String]
    }

    enum Mode {
        case v2(base: String, controllers: Set<String>)
        case v1(bases: [String: String])
        case none
    }

    let mode: Mode
    private var free: [Slot] = []
    private var made = 0

    init() { mode = Self.detect() }

    /// Joins a v1 cgroup: `0` stands for the writer itself.
    static func join(_ directory: String) throws(SystemError) {
        try write(directory + "/cgroup.procs", "0")
    }

    /// A slot with the limits set, or nil where the task needs none or the machine grants none.
    mutating func take(_ spec: ContainerSpec) throws(SystemError) -> Slot? {
        switch mode {
        case .none: return nil
        case .v1: if spec.memoryLimit == nil, spec.pidsLimit == nil { return nil }
        case .v2: break
        }
        let slot: Slot
        if let pooled = free.popLast() { slot = pooled } else { slot = try make() }
        switch mode {
        case .v2(_, let controllers):
            let directory = slot.directories["v2"] ?? ""
            if controllers.contains("memory") {
                try Self.write(
                    directory + "/memory.max", spec.memoryLimit.map(String.init) ?? "max")
                // Kernels without swap accounting lack the file; then there is no swap to account.
                if spec.memoryLimit != nil { try? Self.write(directory + "/memory.swap.max", "0") }
            }
            if controllers.contains("pids") {
                try Self.write(directory + "/pids.max", spec.pidsLimit.map(String.init) ?? "max")
            }
        case .v1:
            if let memory = slot.directories["memory"] {
                try Self.write(
                    memory + "/memory.limit_in_bytes", spec.memoryLimit.map(String.init) ?? "-1")
                try Self.write(memory + "/memory.max_usage_in_bytes", "0")
            }
            if let pids = slot.directories["pids"] {
                try Self.write(pids + "/pids.max", spec.pidsLimit.map(String.init) ?? "max")
            }
        case .none: break
        }
        return slot
    }

    /// What the task's cgroup counted: peak bytes (0 where unknown) and kills for lack of memory so far.
    func usage(_ slot: Slot) -> (peak: Int64, kills: Int64) {
        // A counter that cannot be read counts nothing: older kernels lack memory.peak (Linux 5.19).
        func number(_ path: String) -> Int64 {
            (try? Files.text(path)).flatMap { Int64($0.split(separator: "\n")[0]) } ?? 0
        }
        func field(_ path: String) -> Int64 {
            let lines = (try? Files.text(path))?.split(separator: "\n") ?? []
            return lines.first { $0.hasPrefix("oom_kill ") }.flatMap { Int64($0.dropFirst(9)) } ?? 0
        }
        if let directory = slot.directories["v2"] {
            return (number(directory + "/memory.peak"), field(directory + "/memory.events"))
        }
        guard let memory = slot.directories["memory"] else { return (0, 0) }
        return (
            number(memory + "/memory.max_usage_in_bytes"), field(memory + "/memory.oom_control")
        )
    }

    /// Gives the slot of an ended task back. v2's peak cannot be set back before Linux 6.12, so there each is used once.
    mutating func give(_ slot: Slot) {
        if case .v1 = mode {
            free.append(slot)
        } else {
            for directory in slot.directories.values { rmdir(directory) }
        }
    }

    /// Removes everything; the launcher ends.
    func remove() {
        for slot in free { for directory in slot.directories.values { rmdir(directory) } }
        switch mode {
        case .v2(let base, _): rmdir(base)
        case .v1(let bases): for base in bases.values { rmdir(base) }
        case .none: break
        }
    }

    func reached(_ spec: ContainerSpec, _ slot: Slot?) -> EnforcementReached {
        var reached = EnforcementReached()
        reached.cpu = spec.cpus.isEmpty ? "none" : "affinity"
        switch (mode, slot) {
        case (.v2(_, let controllers), .some):
            if spec.memoryLimit != nil, controllers.contains("memory") {
                reached.memory = "cgroup-v2"
            }
            if spec.pidsLimit != nil, controllers.contains("pids") { reached.pids = "cgroup-v2" }
        case (.v1(let bases), .some):
            if spec.memoryLimit != nil, bases["memory"] != nil { reached.memory = "cgroup-v1" }
            if spec.pidsLimit != nil, bases["pids"] != nil { reached.pids = "cgroup-v1" }
        default: break
        }
        if reached.memory == "none", spec.memoryLimit != nil { reached.memory = "rlimit" }
        return reached
    }

    private mutating func make() throws(SystemError) -> Slot {
        made += 1
        var directories: [String: String] = [:]
        switch mode {
        case .v2(let base, _): directories["v2"] = "\(base)/\(made)"
        case .v1(let bases): for (name, base) in bases { directories[name] = "\(base)/\(made)" }
        case .none: break
        }
        for directory in directories.values where mkdir(directory, 0o755) < 0 && errno != EEXIST {
            throw SystemError.last("mkdir", directory)
        }
        return Slot(directories: directories)
    }

    static func write(_ path: String, _ text: String) throws(SystemError) {
        let file = try OwnedFD.open(path, O_WRONLY)
        try Files.writeAll(file.raw, text.utf8, path)
    }
}

// MARK: Finding a subtree to divide

extension Cgroups {
    private static func detect() -> Mode {
        // Without these files there are no cgroups to use.
        guard let own = try? Files.text("/proc/self/cgroup"),
            let mounts = try? Files.text("/proc/self/mounts")
        else {
            return .none
        }
        let paths = ownPaths(own)
        if let unified = mountPoint(mounts, type: "cgroup2"), let path = paths[""],
            let mode = v2(unified, path)
        {
            return mode
        }
        var bases: [String: String] = [:]
        for controller in ["memory", "pids"] {
            guard let path = paths[controller],
                let mount = mountPoint(mounts, type: "cgroup", option: controller)
            else { continue }
            let base = mount + (path == "/" ? "" : path) + "/martlet-\(getpid())"
            if mkdir(base, 0o755) == 0 { bases[controller] = base }
        }
        return bases.isEmpty ? .none : .v1(bases: bases)
    }

    /// cgroups(7): lines of `id:controllers:path`; v2's has no controllers.
    private static func ownPaths(_ text: String) -> [String: String] {
        var paths: [String: String] = [:]
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { continue }
            for controller in fields[1].split(separator: ",", omittingEmptySubsequences: false) {
                paths[String(controller)] = String(fields[2])
            }
        }
        return paths
    }

    private static func mountPoint(_ mounts: String, type: String, option: String? = nil) -> String?
    {
        for line in mounts.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count >= 4, fields[2] == type else { continue }
            if let option, !fields[3].split(separator: ",").contains(where: { $0 == option }) {
                continue
            }
            return String(fields[1])
        }
        return nil
    }

    /// Our own cgroup first, and for root the top: in the former other processes may stand, and then it cannot be divided
    /// (cgroup-v2.rst, "no internal process constraint").
    private static func v2(_ mount: String, _ path: String) -> Mode? {
        let candidates = [mount + (path == "/" ? "" : path)] + (geteuid() == 0 ? [mount] : [])
        for parent in candidates {
            let base = parent + "/martlet-\(getpid())"
            // Refused where the subtree is not delegated to us: then the next one is tried.
            for controller in ["memory", "pids"] {
                try? write(parent + "/cgroup.subtree_control", "+" + controller)
            }
            guard mkdir(base, 0o755) == 0 else { continue }
            let offered = Set(
                ((try? Files.text(base + "/cgroup.controllers")) ?? "").split(
                    whereSeparator: \.isWhitespace
                ).map(String.init))
            let wanted = offered.intersection(["memory", "pids"])
            guard wanted.contains("memory"),
                (try? write(
                    base + "/cgroup.subtree_control", wanted.map { "+" + $0 }.joined(separator: " ")
                )) != nil
            else {
                rmdir(base)
                continue
            }
            return .v2(base: base, controllers: wanted)
        }
        return nil
    }
}

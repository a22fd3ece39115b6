internal import CLinux
internal import Glibc
internal import LinuxSystem

/// The cgroups of one launcher: v2 where a subtree is ours to divide, else the v1 hierarchies, else none.
/// `Cgroups+Find.swift` says where.
///
/// Directories are pooled: making and removing one takes a global lock of the kernel, and a task needs its own only
/// while it runs. On v1, where each is one in every hierarchy, a task that is limited in nothing gets none.
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

    private(set) var mode: Mode
    private var holds: [Hold]
    private var free: [Slot] = []
    private var made = 0

    init() {
        mode = Self.detect()
        holds = Self.holds(of: mode)
    }

    /// Joins a v1 cgroup, for a process of one thread. A thread that moves itself, alone, is the one case in which the kernel
    /// takes no lock that forks and execs share, and so waits for no RCU grace period (cgroup_procs_write_start, Linux 5.5):
    /// 0.02 ms where `cgroup.procs` or another's pid takes 5 to 10.
    static func join(_ directory: String) throws(SystemError) {
        try CgroupFile.write(directory + "/tasks", "0")
    }

    /// A slot with the limits set, or nil where the task needs none or the machine grants none.
    mutating func take(_ spec: ContainerSpec) throws(SystemError) -> Slot? {
        switch mode {
        case .none: return nil
        case .v1(let bases):
            // Affinity alone could be changed by the task, and is not what MPI's binding looks at.
            let hasPlace =
                !(spec.cpus.isEmpty && spec.memoryNodes.isEmpty) && bases["cpuset"] != nil
            if spec.memoryLimit == nil, spec.pidsLimit == nil, !hasPlace { return nil }
        case .v2: break
        }
        if let pooled = free.popLast() {
            // Refused where something of an earlier task is still charged there: then another one.
            if (try? limit(pooled, spec)) != nil { return pooled }
            Self.remove(pooled)
        }
        let slot = try makeOrFind()
        do throws(SystemError) {
            try limit(slot, spec)
        } catch {
            Self.remove(slot)
            throw error
        }
        return slot
    }

    private func limit(_ slot: Slot, _ spec: ContainerSpec) throws(SystemError) {
        switch mode {
        case .v2(_, let controllers):
            try Self.limitV2(slot.directories["v2"] ?? "", controllers, spec)
        case .v1(let bases): try Self.limitV1(slot.directories, bases, spec)
        case .none: break
        }
    }

    /// cgroup-v2.rst. Each directory serves one task, so what is not limited has never been.
    private static func limitV2(
        _ directory: String, _ controllers: Set<String>, _ spec: ContainerSpec
    ) throws(SystemError) {
        if let memory = spec.memoryLimit, controllers.contains("memory") {
            try CgroupFile.write(directory + "/memory.max", "\(memory)")
            // Kernels without swap accounting lack the file; then there is no swap to account.
            try? CgroupFile.write(directory + "/memory.swap.max", "0")
        }
        if let pids = spec.pidsLimit, controllers.contains("pids") {
            try CgroupFile.write(directory + "/pids.max", "\(pids)")
        }
        if controllers.contains("cpuset") {
            if !spec.cpus.isEmpty { try limitCPUs(directory, list(spec.cpus)) }
            if !spec.memoryNodes.isEmpty { try limitNodes(directory, list(spec.memoryNodes)) }
        } else if controllers.contains("cpu"), !spec.cpus.isEmpty {
            try CgroupFile.write(directory + "/cpu.max", "\(quota(spec.cpus)) \(period)")
        }
    }

    private static func limitCPUs(_ directory: String, _ cpus: String) throws(SystemError) {
        do throws(SystemError) {
            try CgroupFile.write(directory + "/cpuset.cpus", cpus)
        } catch {
            guard [EINVAL, ERANGE].contains(error.errno) else { throw error }
            throw SystemError(
                "cpuset.cpus", cpus, errno: EINVAL,
                hint: "not all of these CPUs are there, or are the launcher's")
        }
    }

    private static func limitNodes(_ directory: String, _ nodes: String) throws(SystemError) {
        do throws(SystemError) {
            try CgroupFile.write(directory + "/cpuset.mems", nodes)
        } catch {
            guard [EINVAL, ERANGE, EACCES].contains(error.errno) else { throw error }
            throw SystemError(
                "cpuset.mems", nodes, errno: EINVAL,
                hint: "not all of these NUMA nodes have memory, or are the launcher's")
        }
    }

    /// Directories are used again, so everything is set, to "no limit" too.
    private static func limitV1(
        _ directories: [String: String], _ bases: [String: String], _ spec: ContainerSpec
    ) throws(SystemError) {
        if let memory = directories["memory"] {
            // Memory and swap together: never below memory alone. Where swap is not accounted, the file is missing.
            let both = memory + "/memory.memsw.limit_in_bytes"
            try? CgroupFile.write(both, "-1")
            let limit = spec.memoryLimit.map(String.init) ?? "-1"
            try CgroupFile.write(memory + "/memory.limit_in_bytes", limit)
            if spec.memoryLimit != nil, Files.exists(both) { try CgroupFile.write(both, limit) }
            try CgroupFile.write(memory + "/memory.max_usage_in_bytes", "0")
        }
        if let pids = directories["pids"] {
            try CgroupFile.write(pids + "/pids.max", spec.pidsLimit.map(String.init) ?? "max")
        }
        if let cpuset = directories["cpuset"], let base = bases["cpuset"] {
            func all(_ file: String) throws(SystemError) -> String { try Files.text(base + file) }
            try limitCPUs(cpuset, spec.cpus.isEmpty ? all("/cpuset.cpus") : list(spec.cpus))
            try limitNodes(
                cpuset, spec.memoryNodes.isEmpty ? all("/cpuset.mems") : list(spec.memoryNodes))
        } else if let cpu = directories["cpu"] {
            try CgroupFile.write(
                cpu + "/cpu.cfs_quota_us", spec.cpus.isEmpty ? "-1" : "\(quota(spec.cpus))")
        }
    }

    /// Microseconds, the kernel's default.
    private static let period = 100_000
    private static func quota(_ cpus: [Int]) -> Int { cpus.count * period }
    private static func list(_ numbers: [Int]) -> String {
        numbers.map(String.init).joined(separator: ",")
    }

    /// Every process of a task.
    static func processes(_ slot: Slot) -> [pid_t] {
        slot.directories.values.first.map(ContainerCgroup.processes) ?? []
    }

    /// cgroup-v2.rst, "cgroup.kill" (Linux 5.14); nothing on v1.
    static func kill(_ slot: Slot) {
        guard let directory = slot.directories["v2"] else { return }
        // An older kernel lacks the file, and the end of PID 1 does it alone.
        try? CgroupFile.write(directory + "/cgroup.kill", "1")
    }

    /// cgroup-v2.rst, "cgroup.freeze" (Linux 5.2). False on v1, where the freezer is a hierarchy of its own, and on older kernels.
    static func freeze(_ slot: Slot) -> Bool {
        guard let directory = slot.directories["v2"] else { return false }
        return (try? CgroupFile.write(directory + "/cgroup.freeze", "1")) != nil
    }

    static func thaw(_ slot: Slot) {
        guard let directory = slot.directories["v2"] else { return }
        // Where it could not be frozen there is nothing to thaw.
        try? CgroupFile.write(directory + "/cgroup.freeze", "0")
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

    /// Takes the slot of an ended task back. v2's peak cannot be set back before Linux 6.12, so there each is used once.
    mutating func give(_ slot: Slot, isUsedUp: Bool) {
        if case .v1 = mode, !isUsedUp { free.append(slot) } else { Self.remove(slot) }
    }

    private static func remove(_ slot: Slot) {
        for directory in slot.directories.values { rmdir(directory) }
    }

    /// Removes everything; the launcher ends.
    func remove() {
        for slot in free { Self.remove(slot) }
        switch mode {
        case .v2(let base, _):
            rmdir(base)
            Self.moveDaemonsBack(RootedPath.split(base).parent)
        case .v1(let bases): for base in bases.values { rmdir(base) }
        case .none: break
        }
    }

    func reached(_ spec: ContainerSpec, _ slot: Slot?) -> EnforcementReached {
        var reached = EnforcementReached()
        if !spec.cpus.isEmpty { (reached.cpu, reached.cpuBinding) = ("affinity", "affinity") }
        var (name, controllers): (String, Set<String>) = ("none", [])
        switch (mode, slot) {
        case (.v2(_, let enabled), .some): (name, controllers) = ("cgroup-v2", enabled)
        case (.v1(let bases), .some): (name, controllers) = ("cgroup-v1", Set(bases.keys))
        default: break
        }
        if !spec.cpus.isEmpty, !controllers.isDisjoint(with: ["cpuset", "cpu"]) {
            reached.cpu = name
        }
        if controllers.contains("cpuset") {
            if !spec.cpus.isEmpty { reached.cpuBinding = name }
            if !spec.memoryNodes.isEmpty { reached.memoryBinding = name }
        }
        if spec.memoryLimit != nil {
            reached.memory = controllers.contains("memory") ? name : "rlimit"
        }
        if spec.pidsLimit != nil, controllers.contains("pids") { reached.pids = name }
        return reached
    }

    /// Somebody who tidies up may have removed what is ours while no task was in it; that is no reason to start none any more.
    private mutating func makeOrFind() throws(SystemError) -> Slot {
        do throws(SystemError) { return try make() } catch {
            guard error.errno == ENOENT else { throw error }
        }
        mode = Self.detect()
        holds = Self.holds(of: mode)
        free = []
        return try make()
    }

    private mutating func make() throws(SystemError) -> Slot {
        made += 1
        var directories: [String: String] = [:]
        switch mode {
        case .v2(let base, _): directories["v2"] = "\(base)/\(made)"
        case .v1(let bases): for (name, base) in bases { directories[name] = "\(base)/\(made)" }
        case .none: break
        }
        let slot = Slot(directories: directories)
        for (controller, directory) in directories {
            if mkdir(directory, 0o755) < 0, errno != EEXIST {
                let error = SystemError.last("mkdir", directory)
                Self.remove(slot)
                throw error
            }
            if case .v1(let bases) = mode, controller == "cpuset", let base = bases[controller] {
                try ContainerCgroup.fillCPUSet(directory, from: base)
            }
        }
        return slot
    }
}

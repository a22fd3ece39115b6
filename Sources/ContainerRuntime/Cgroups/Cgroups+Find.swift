internal import Glibc
internal import LinuxSystem

/// Finding a subtree to divide.
///
///     v2, beneath a cgroup that is ours (its own, or the top for root):   v1, in each hierarchy:
///     ├── martlet.daemons    the launcher and its like                    martlet-PID/1 …
///     └── martlet-PID        of the launcher of that pid
///         └── 1 …            one a task
extension Cgroups {
    private static let controllersWanted: Set<String> = ["cpu", "cpuset", "memory", "pids"]
    private static let daemons = "martlet.daemons"
    private static let prefix = "martlet-"

    static func detect() -> Mode {
        // Without these files there are no cgroups to use.
        guard let own = try? Files.text("/proc/self/cgroup"),
            let mounts = try? Files.text("/proc/self/mounts")
        else { return .none }
        let paths = ownPaths(own)
        if let unified = mountPoint(mounts, type: "cgroup2"), let path = paths[""],
            let mode = v2(unified, path)
        {
            return mode
        }
        return v1(mounts, paths)
    }

    // MARK: v2

    /// Our own cgroup first, and for root the top.
    private static func v2(_ mount: String, _ path: String) -> Mode? {
        var own = path == "/" ? "" : path
        // Where a launcher before this one has moved them.
        if own.hasSuffix("/" + daemons) { own.removeLast(daemons.utf8.count + 1) }
        for parent in [mount + own] + (geteuid() == 0 && own != "" ? [mount] : []) {
            if let mode = divide(parent) { return mode }
        }
        return nil
    }

    private static func divide(_ parent: String) -> Mode? {
        let offered = controllersWanted.intersection(words(parent + "/cgroup.controllers"))
        guard !offered.isEmpty, let base = makeBase(parent) else { return nil }
        if isDivisible(parent) {
            enable(offered, parent)
            enable(offered, base)
        }
        let enabled = offered.intersection(words(base + "/cgroup.subtree_control"))
        guard !enabled.isEmpty else {
            rmdir(base)
            return nil
        }
        return .v2(base: base, controllers: enabled)
    }

    /// A cgroup with processes in it cannot be (cgroup-v2.rst, "no internal process constraint"): if all of them are Martlet's,
    /// they move into a leaf. Looked at first, since some controllers could be enabled even so, for threads alone. The
    /// machine's top is exempt; it alone has no type.
    private static func isDivisible(_ parent: String) -> Bool {
        !Files.exists(parent + "/cgroup.type") || words(parent + "/cgroup.procs").isEmpty
            || moveDaemons(parent)
    }

    private static func enable(_ controllers: Set<String>, _ directory: String) {
        for controller in controllers {
            // One at a time, since a single refusal would be one of all; what was granted is read afterwards.
            try? write(directory + "/cgroup.subtree_control", "+" + controller)
        }
    }

    /// True where they were Martlet's alone, and have moved.
    private static func moveDaemons(_ parent: String) -> Bool {
        let processes = words(parent + "/cgroup.procs")
        let leaf = parent + "/" + daemons
        guard processes.allSatisfy({ name(of: $0).hasPrefix("martlet") }),
            mkdir(leaf, 0o755) == 0 || errno == EEXIST
        else { return false }
        for process in processes {
            // One that has just ended need not move; if another stays behind, the next step is refused.
            try? write(leaf + "/cgroup.procs", process)
        }
        return true
    }

    // MARK: v1

    private static func v1(_ mounts: String, _ paths: [String: String]) -> Mode {
        var bases: [String: String] = [:]
        func look(for controller: String) {
            guard let path = paths[controller],
                let mount = mountPoint(mounts, type: "cgroup", option: controller)
            else { return }
            let parent = mount + (path == "/" ? "" : path)
            guard let base = makeBase(parent) else { return }
            // One that cannot be filled takes nobody in: then it is done without.
            if controller == "cpuset", (try? fillCPUSet(base, from: parent)) == nil {
                rmdir(base)
                return
            }
            bases[controller] = base
        }
        for controller in ["memory", "pids", "cpuset"] { look(for: controller) }
        if bases["cpuset"] == nil { look(for: "cpu") }
        return bases.isEmpty ? .none : .v1(bases: bases)
    }

    // MARK: Both

    /// This launcher's directory in `parent`, from which those of dead launchers are removed; nil where `parent` is not ours.
    private static func makeBase(_ parent: String) -> String? {
        for name in (try? Files.names(in: parent)) ?? [] where name.hasPrefix(prefix) {
            let pid = name.dropFirst(prefix.utf8.count)
            // Its pid may be anybody's by now, this launcher's too.
            guard pid == "\(getpid())" || Self.name(of: String(pid)) != "martlet-runtime" else {
                continue
            }
            let stale = parent + "/" + name
            for slot in (try? Files.names(in: stale)) ?? [] { rmdir(stale + "/" + slot) }
            rmdir(stale)
        }
        let base = parent + "/\(prefix)\(getpid())"
        return mkdir(base, 0o755) == 0 || errno == EEXIST ? base : nil
    }

    /// proc(5), /proc/PID/comm; empty where there is no such process.
    private static func name(of pid: String) -> String {
        ((try? Files.text("/proc/\(pid)/comm")) ?? "").split(separator: "\n").first.map(String.init)
            ?? ""
    }

    private static func words(_ path: String) -> [String] {
        // Missing or unreadable: nothing is granted.
        ((try? Files.text(path)) ?? "").split(whereSeparator: \.isWhitespace).map(String.init)
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
}

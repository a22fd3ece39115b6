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
    static let prefix = "martlet-"

    static func detect() -> Mode {
        let host = CgroupHost.detect()
        if let unified = host.unified, let mode = v2(unified) { return mode }
        return v1(host)
    }

    // MARK: v2

    /// Our own cgroup first, and for root the top.
    private static func v2(_ tree: CgroupHost.Hierarchy) -> Mode? {
        var own = tree.own
        // Where a launcher before this one has moved them.
        if own.hasSuffix("/" + daemons) { own.removeLast(daemons.utf8.count + 1) }
        for parent in [tree.mount + own] + (geteuid() == 0 && own != "" ? [tree.mount] : []) {
            if let mode = divide(parent) { return mode }
        }
        return nil
    }

    private static func divide(_ parent: String) -> Mode? {
        let offered = controllersWanted.intersection(
            CgroupFile.words(parent + "/cgroup.controllers"))
        guard !offered.isEmpty, let base = makeBase(parent) else { return nil }
        // A process that is ending is listed no more, and yet in the way for moments; so is one that was forked meanwhile.
        let deadline = Clock.monotonic() + 2000
        while isDivisible(parent), !enable(offered, parent), Clock.monotonic() < deadline {
            usleep(1000)
        }
        _ = enable(offered, base)
        let enabled = offered.intersection(CgroupFile.words(base + "/cgroup.subtree_control"))
        guard !enabled.isEmpty else {
            rmdir(base)
            moveDaemonsBack(parent)
            return nil
        }
        return .v2(base: base, controllers: enabled)
    }

    /// A cgroup with processes in it cannot be (cgroup-v2.rst, "no internal process constraint"): if all of them are Martlet's,
    /// they move into a leaf. Looked at first, since some controllers could be enabled even so, for threads alone. The
    /// machine's top is exempt; it alone has no type.
    private static func isDivisible(_ parent: String) -> Bool {
        !Files.exists(parent + "/cgroup.type") || CgroupFile.words(parent + "/cgroup.procs").isEmpty
            || moveDaemons(parent)
    }

    /// False where processes in `directory` were in the way.
    private static func enable(_ controllers: Set<String>, _ directory: String) -> Bool {
        var isFree = true
        for controller in controllers {
            // One at a time, since a single refusal would be one of all; what was granted is read afterwards.
            do throws(SystemError) {
                try CgroupFile.write(directory + "/cgroup.subtree_control", "+" + controller)
            } catch { isFree = isFree && error.errno != EBUSY }
        }
        return isFree
    }

    /// True where they were Martlet's alone, and have moved.
    private static func moveDaemons(_ parent: String) -> Bool {
        let processes = CgroupFile.words(parent + "/cgroup.procs")
        let leaf = parent + "/" + daemons
        guard processes.allSatisfy({ name(of: $0).hasPrefix("martlet") }),
            mkdir(leaf, 0o755) == 0 || errno == EEXIST
        else { return false }
        for process in processes {
            // One that has just ended need not move; if another stays behind, the next step is refused.
            try? CgroupFile.write(leaf + "/cgroup.procs", process)
        }
        return true
    }

    /// When nobody divides `parent` any more: it is as it was before the daemons left it, and whoever made it can use or remove
    /// it. While another launcher does, or something is left of a task, all stays for the next one.
    static func moveDaemonsBack(_ parent: String) {
        let leaf = parent + "/" + daemons
        guard ContainerCgroup.children(of: parent) == [leaf] else { return }
        for controller in controllersWanted {
            try? CgroupFile.write(parent + "/cgroup.subtree_control", "-" + controller)
        }
        // One that is ending, as a server does with its launcher, can no longer be moved, and keeps the leaf for moments.
        let deadline = Clock.monotonic() + 5000
        while rmdir(leaf) < 0, Clock.monotonic() < deadline {
            for process in CgroupFile.words(leaf + "/cgroup.procs") {
                try? CgroupFile.write(parent + "/cgroup.procs", process)
            }
            usleep(1000)
        }
    }

    // MARK: v1

    private static func v1(_ host: CgroupHost) -> Mode {
        var bases: [String: String] = [:]
        func look(for controller: String) {
            guard let hierarchy = host.v1[controller] else { return }
            let parent = hierarchy.mount + hierarchy.own
            guard let base = makeBase(parent) else { return }
            // One that cannot be filled takes nobody in: then it is done without.
            if controller == "cpuset", (try? ContainerCgroup.fillCPUSet(base, from: parent)) == nil
            {
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
        sweep(parent)
        let base = parent + "/\(prefix)\(getpid())\(namespaceSuffix)"
        return mkdir(base, 0o755) == 0 || errno == EEXIST ? base : nil
    }

    /// Empty in the machine's own PID namespace, `-INODE` in any other: machines' trees are seen from several, whose numbers mean
    /// other processes.
    static let namespaceSuffix: String = {
        // The first namespace's inode: linux/proc_ns.h, PROC_PID_INIT_INO.
        guard let own = namespace(of: "self"), own != 0xEFFF_FFFC else { return "" }
        return "-\(own)"
    }()

    /// The PID namespace of a process, by its inode; nil where it cannot be seen.
    static func namespace(of process: String) -> UInt64? {
        var status = stat()
        return stat("/proc/\(process)/ns/pid", &status) == 0 ? UInt64(status.st_ino) : nil
    }

    /// proc(5), /proc/PID/comm; empty where there is no such process.
    static func name(of pid: String) -> String {
        ((try? Files.text("/proc/\(pid)/comm")) ?? "").split(separator: "\n").first.map(String.init)
            ?? ""
    }
}

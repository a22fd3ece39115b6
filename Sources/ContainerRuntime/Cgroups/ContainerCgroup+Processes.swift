internal import Glibc
public import LinuxSystem

extension ContainerCgroup {
    /// Every process in it and in the cgroups beneath it, as the runtime sees pids, each once.
    public var processes: [Int32] {
        guard let directory = unified ?? directories["pids"] ?? everyDirectory.first else {
            return []
        }
        return Set(Self.processes(in: directory)).sorted()
    }

    static func processes(in directory: String) -> [pid_t] {
        // A threaded cgroup does not say (cgroup-v2.rst, "Threads"); its processes are in the domain above it.
        var all = CgroupFile.words(directory + "/cgroup.procs").compactMap { pid_t($0) }
        for child in children(of: directory) { all += processes(in: child) }
        return all
    }

    /// Cgroups right beneath it; none where it has gone. Nothing else makes directories there.
    static func children(of directory: String) -> [String] {
        ((try? Files.directoryNames(in: directory)) ?? []).map { directory + "/" + $0 }
    }

    // MARK: Freezing

    /// Milliseconds in which processes must stop or go on: one that waits for a device may hold it up.
    private static let patience: Int64 = 10_000

    /// Stops every process; returns when all of them stand. Throws ETIMEDOUT, thawed again, where one does not.
    public func freeze() throws(SystemError) {
        do throws(SystemError) {
            try setFrozen(true)
        } catch {
            // Half frozen would be worse than not at all.
            try? setFrozen(false)
            throw error
        }
    }

    public func thaw() throws(SystemError) { try setFrozen(false) }

    /// False where nothing can be frozen.
    public var isFrozen: Bool {
        if let directory = directories["freezer"] {
            return CgroupFile.words(directory + "/freezer.state").first.map { $0 != "THAWED" }
                ?? false
        }
        return unified.map { CgroupFile.table($0 + "/cgroup.events")["frozen"] == 1 } ?? false
    }

    private func setFrozen(_ frozen: Bool) throws(SystemError) {
        if let directory = directories["freezer"] {
            try Self.setFrozenV1(directory, frozen)
        } else if let unified {
            try Self.setFrozenV2(unified, frozen)
        } else {
            throw SystemError(
                frozen ? "pause" : "resume", "cgroup", errno: EOPNOTSUPP,
                hint: "the container has no cgroup that could be frozen")
        }
    }

    /// cgroup-v2.rst, "cgroup.freeze". A change of cgroup.events is told to poll(2).
    private static func setFrozenV2(_ directory: String, _ frozen: Bool) throws(SystemError) {
        let events = directory + "/cgroup.events"
        let file = try OwnedFD.open(events, O_RDONLY)
        try CgroupFile.write(directory + "/cgroup.freeze", frozen ? "1" : "0")
        let deadline = Clock.monotonic() + patience
        while CgroupFile.table(events)["frozen"] != (frozen ? 1 : 0) {
            let left = deadline - Clock.monotonic()
            guard left > 0 else { throw late(directory, frozen) }
            // Read, so that the next change is told; and looked at again after a moment in any case.
            _ = try? Files.read(file.raw, events)
            var poller = pollfd(fd: file.raw, events: Int16(POLLPRI), revents: 0)
            poll(&poller, 1, Int32(min(left, 50)))
            lseek(file.raw, 0, SEEK_SET)
        }
    }

    /// cgroup-v1/freezer-subsystem.rst: while it says FREEZING, new processes may slip by; writing again catches them.
    private static func setFrozenV1(_ directory: String, _ frozen: Bool) throws(SystemError) {
        let (file, wanted) = (directory + "/freezer.state", frozen ? "FROZEN" : "THAWED")
        let deadline = Clock.monotonic() + patience
        var pause: UInt32 = 50
        while true {
            try CgroupFile.write(file, wanted)
            if CgroupFile.words(file).first == wanted { return }
            guard Clock.monotonic() < deadline else { throw late(directory, frozen) }
            usleep(pause)
            pause = min(pause * 2, 10_000)
        }
    }

    private static func late(_ directory: String, _ frozen: Bool) -> SystemError {
        SystemError(
            frozen ? "pause" : "resume", directory, errno: ETIMEDOUT,
            hint: "a process does not stop; a device or file system may hang")
    }

    // MARK: Signals

    /// Sends `signal` to every process, those too that are made meanwhile. SIGKILL reaches frozen ones.
    public func signal(_ signal: Int32) throws(SystemError) {
        if signal == SIGKILL, let unified, Files.exists(unified + "/cgroup.kill") {
            try CgroupFile.write(unified + "/cgroup.kill", "1")
            // The v2 tree's freezer lets the killed go; v1's holds them.
            if directories["freezer"] != nil, isFrozen { try thaw() }
            return
        }
        // Nobody joins an empty one but by the runtime.
        if processes.isEmpty { return }
        let wasFrozen = isFrozen
        // Where they cannot be stopped, a process that forks as fast as this one reads could get away.
        let stands = wasFrozen || (try? freeze()) != nil
        var told: Set<pid_t> = []
        while true {
            let new = processes.filter { !told.contains($0) }
            for pid in new {
                if kill(pid, signal) < 0, errno != ESRCH {
                    throw SystemError.last("kill", "\(pid)")
                }
            }
            told.formUnion(new)
            if new.isEmpty || stands { break }
        }
        // What is to die does so only once it may go on.
        if stands, !wasFrozen || signal == SIGKILL { try thaw() }
    }
}

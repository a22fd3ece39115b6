internal import Glibc
internal import LinuxSystem
internal import OCIRuntimeSpec

/// `pause` and `resume`.
package enum ContainerFreezer {
    package static func freeze(_ home: ContainerHome) throws {
        try home.locked { try cgroup(of: home, which: [.running, .created]).freeze() }
    }

    package static func thaw(_ home: ContainerHome) throws {
        try home.locked { try cgroup(of: home, which: [.paused]).thaw() }
    }

    private static func cgroup(
        of home: ContainerHome, which states: [ContainerState.Status]
    ) throws -> ContainerCgroup {
        let record = try home.read()
        let status = home.status(record)
        guard states.contains(status) else {
            throw SystemError(
                states.contains(.paused) ? "resume" : "pause", home.id, errno: EBUSY,
                hint: "it is \(status.rawValue)")
        }
        return try ContainerCgroup(record: record.cgroup)
    }
}

/// `ps`.
package enum ContainerProcesses {
    /// In the machine's process namespace, as far as the container's cgroup knows them; else its first process alone.
    package static func pids(_ home: ContainerHome) throws -> [Int32] {
        let record = try home.read()
        guard ContainerHome.lives(record) else {
            throw SystemError("ps", home.id, errno: ESRCH, hint: "container not running")
        }
        let processes = try ContainerCgroup(record: record.cgroup).processes
        return processes.isEmpty ? [record.pid] : processes.sorted()
    }
}

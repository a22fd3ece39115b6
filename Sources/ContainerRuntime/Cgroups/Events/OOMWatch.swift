internal import CLinux
internal import Glibc
public import LinuxSystem

/// Tells when the kernel kills in a container for lack of memory.
///
/// On v2, inotify(7) on `memory.events` and `cgroup.events` (cgroup-v2.rst); on v1, an eventfd(2) that `cgroup.event_control`
/// is given (cgroup-v1/memory.rst, "OOM Control").
public struct OOMWatch: ~Copyable, Sendable {
    public enum Event: Sendable, Equatable {
        case outOfMemory
        /// No process is left, or the cgroup is gone.
        case ended
        case nothing
    }

    private enum Source {
        case v1(directory: String)
        case v2(directory: String)
    }

    private let file: OwnedFD
    private let source: Source
    /// Kills of v2 that have been told.
    private var kills: UInt64

    /// Readable when `take` has something to say; to be given to poll(2).
    public var descriptor: Int32 { file.raw }

    /// Throws EOPNOTSUPP where the container has no cgroup that counts memory.
    public init(_ cgroup: ContainerCgroup) throws(SystemError) {
        let isV1 = cgroup.directories["memory"] != nil
        guard let directory = cgroup.directories["memory"] ?? cgroup.unified,
            isV1 || Files.exists(directory + "/memory.events")
        else {
            throw SystemError(
                "watch", "memory", errno: EOPNOTSUPP,
                hint: "the container has no cgroup that counts memory")
        }
        let raw =
            try isV1
            ? Self.notifiedByV1(directory).release() : Self.notifiedByV2(directory).release()
        file = OwnedFD(raw)
        source = isV1 ? .v1(directory: directory) : .v2(directory: directory)
        kills = isV1 ? 0 : Self.kills(directory)
    }

    private static func notifiedByV1(_ directory: String) throws(SystemError) -> OwnedFD {
        let event = try OwnedFD(checking: cl_eventfd(), "eventfd")
        let control = try OwnedFD.open(directory + "/memory.oom_control", O_RDONLY)
        // The kernel keeps what it needs of both.
        try CgroupFile.write(
            directory + "/cgroup.event_control", "\(event.raw) \(control.raw)")
        return event
    }

    private static func notifiedByV2(_ directory: String) throws(SystemError) -> OwnedFD {
        let events = OwnedFD(
            try checkErrno(
                inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK)), "inotify_init1"))
        for name in ["/memory.events", "/cgroup.events"] {
            try checkErrno(
                inotify_add_watch(events.raw, directory + name, UInt32(IN_MODIFY)),
                "inotify_add_watch", directory + name)
        }
        return events
    }

    private static func kills(_ directory: String) -> UInt64 {
        CgroupFile.table(directory + "/memory.events")["oom_kill"] ?? 0
    }

    /// What has happened since it was last asked. Does not wait.
    public mutating func take() -> Event {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = read(file.raw, &buffer, buffer.count)
        switch source {
        case .v1(let directory):
            // Told of its removal, too.
            guard Files.exists(directory) else { return .ended }
            return count > 0 ? .outOfMemory : .nothing
        case .v2(let directory):
            let now = Self.kills(directory)
            defer { kills = max(kills, now) }
            if now > kills { return .outOfMemory }
            return CgroupFile.table(directory + "/cgroup.events")["populated"] == 1
                ? .nothing : .ended
        }
    }
}

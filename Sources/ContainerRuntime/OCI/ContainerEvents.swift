internal import CLinux
internal import Glibc
internal import LinuxSystem

/// `events`.
package enum ContainerEvents {
    /// Statistics every so many milliseconds until the container ends, or once where that is nil; out of memory in between.
    package static func tell(
        _ home: ContainerHome, every interval: Int64?, to say: (String) throws -> Void
    ) throws {
        let record = try home.read()
        guard ContainerHome.lives(record) else {
            throw SystemError("events", home.id, errno: ESRCH, hint: "container not running")
        }
        let cgroup = try ContainerCgroup(record: record.cgroup)
        try say(cgroup.statistics().event(id: home.id))
        guard let interval else { return }
        let process = try OwnedFD(checking: cl_pidfd_open(record.pid), "events", home.id)
        // Without a cgroup that counts memory nobody tells when it runs out.
        var watch = try? OOMWatch(cgroup)
        var next = Clock.monotonic() + interval
        while true {
            var pollers = [
                pollfd(fd: process.raw, events: Int16(POLLIN), revents: 0),
                pollfd(fd: watch?.descriptor ?? -1, events: Int16(POLLIN), revents: 0),
            ]
            let left = Int32(clamping: max(0, next - Clock.monotonic()))
            guard poll(&pollers, 2, left) >= 0 || errno == EINTR else {
                throw SystemError.last("poll")
            }
            if pollers[1].revents != 0, watch?.take() == .outOfMemory {
                try say(CgroupStatistics.outOfMemoryEvent(id: home.id))
            }
            if pollers[0].revents != 0 { return }
            guard Clock.monotonic() >= next else { continue }
            try say(cgroup.statistics().event(id: home.id))
            next += interval
        }
    }
}

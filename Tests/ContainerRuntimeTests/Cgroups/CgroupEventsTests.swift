import Foundation
import Glibc
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// What a container's cgroup counts and tells.
@Suite(
    .enabled(if: LiveCgroups.has("memory"), "no memory controller for this user to divide"),
    .timeLimit(.minutes(1)), .serialized)
struct CgroupEventsTests {
    private func withCgroup(
        _ ask: (inout ResourcesSpec) -> Void, _ body: (inout ContainerCgroup) throws -> Void
    ) throws {
        var request = CgroupRequest(id: "c1", path: "/martlet-events-\(getpid())")
        var resources = ResourcesSpec()
        ask(&resources)
        request.resources = resources
        var cgroup = try ContainerCgroup.make(request)
        defer {
            try? cgroup.signal(SIGKILL)
            try? cgroup.remove()
        }
        try body(&cgroup)
    }

    @Test func statisticsCountWhatProcessesUse() throws {
        try withCgroup {
            $0.memory.limit = 64 << 20
            $0.pidsLimit = 9
        } _: { cgroup in
            let busy = try Sleeper([
                "/bin/sh", "-c",
                "sleep 0.2; x=$(tr '\\0' a < /dev/zero | head -c 1000000); while :; do :; done",
            ])
            try cgroup.admit(busy.pid, isCloned: false)
            #expect(
                eventually {
                    let now = cgroup.statistics()
                    // User and kernel are counted by the tick.
                    return now.cpu.total > 10_000_000 && now.cpu.user + now.cpu.kernel > 0
                        && now.memory.usage.usage > 0
                })
            let now = cgroup.statistics()
            #expect(now.memory.usage.limit == 64 << 20)
            #expect(now.memory.usage.max >= now.memory.usage.usage || now.memory.usage.max == 0)
            #expect(now.pids.limit == 9 && now.pids.current >= 1)
            #expect(!now.memory.raw.isEmpty)
            #expect(!now.cpus.isEmpty && !now.mems.isEmpty)
        }
    }

    @Test func anEventIsALineOfJSONWithTheNamesOfRunc() throws {
        var counted = CgroupStatistics()
        counted.cpu.total = 18_446_744_073_709_551_615
        counted.cpu.perCPU = [1, 2]
        counted.memory.usage = .init(usage: 3, max: 4, limit: 5, failures: 6)
        counted.memory.raw = ["b": 2, "a": 1]
        counted.serviceBytes = [.init(major: 8, minor: 1, operation: "Read", value: 7)]
        counted.hugepages = ["2MB": .init(usage: 2, max: 0, limit: 0, failures: 1)]
        counted.pids = (8, 0)
        let line = counted.event(id: "a\"\\\n1")
        #expect(!line.contains("\n"))
        let event = try #require(
            JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        #expect(event["type"] as? String == "stats")
        #expect(event["id"] as? String == "a\"\\\n1")
        #expect(line.contains("\"total\":18446744073709551615,\"percpu\":[1,2]"))
        #expect(line.contains("\"usage\":{\"limit\":5,\"usage\":3,\"max\":4,\"failcnt\":6}"))
        #expect(line.contains("\"raw\":{\"a\":1,\"b\":2}"))
        #expect(
            line.contains(
                "\"ioServiceBytesRecursive\":[{\"major\":8,\"minor\":1,\"op\":\"Read\",\"value\":7}]"
            ))
        #expect(line.contains("\"hugetlb\":{\"2MB\":{"))
        #expect(line.contains("\"pids\":{\"current\":8,\"limit\":0}"))
        #expect(
            CgroupStatistics.outOfMemoryEvent(id: "c") == "{\"type\":\"oom\",\"id\":\"c\"}")
    }

    @Test func aKillForLackOfMemoryIsTold() throws {
        try withCgroup {
            $0.memory.limit = 16 << 20
            $0.memory.swap = 16 << 20
        } _: { cgroup in
            var watch = try OOMWatch(cgroup)
            let hungry = try Sleeper([
                "/bin/sh", "-c",
                "sleep 0.2; exec awk 'BEGIN { s = \"x\"; while (1) s = s s }' 2>/dev/null",
            ])
            try cgroup.admit(hungry.pid, isCloned: false)
            _ = watch.take()
            var poller = pollfd(fd: watch.descriptor, events: Int16(POLLIN), revents: 0)
            var told: OOMWatch.Event = .nothing
            while told != .outOfMemory, poll(&poller, 1, 20_000) > 0 { told = watch.take() }
            #expect(told == .outOfMemory)
            #expect(hungry.wait() == SIGKILL)
            try cgroup.remove()
            #expect(poll(&poller, 1, 10_000) > 0)
            #expect(watch.take() == .ended)
        }
    }
}

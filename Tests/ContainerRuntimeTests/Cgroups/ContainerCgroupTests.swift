import Glibc
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// This machine's cgroups, as far as a test may use them.
enum LiveCgroups {
    static let host = CgroupHost.detect()
    static let isPossible: Bool = {
        guard geteuid() == 0 else { return false }
        let mounts = host.v1.values.map(\.mount) + (host.unified.map { [$0.mount] } ?? [])
        return !mounts.isEmpty && mounts.allSatisfy { access($0 + "/cgroup.procs", W_OK) == 0 }
    }()
    static func has(_ controller: String) -> Bool {
        host.v1[controller] != nil
            || host.unified.map {
                CgroupFile.words($0.mount + "/cgroup.controllers").contains(controller)
            } ?? false
    }
}

/// Containers' cgroups in this machine's own hierarchies.
@Suite(
    .enabled(if: LiveCgroups.isPossible, "cgroups are not this user's to divide"),
    .timeLimit(.minutes(1)), .serialized)
struct ContainerCgroupTests {
    let path = "/martlet-test-\(getpid())"

    private func request(_ ask: (inout ResourcesSpec) -> Void = { _ in }) -> CgroupRequest {
        var resources = ResourcesSpec()
        ask(&resources)
        return CgroupRequest(id: "c1", path: path + "/c1", resources: resources)
    }

    /// Makes one, hands it over, and removes it with its parent.
    private func withCgroup(
        _ request: CgroupRequest, _ body: (inout ContainerCgroup) throws -> Void
    ) throws {
        var cgroup = try ContainerCgroup.make(request)
        defer {
            try? cgroup.signal(SIGKILL)
            try? cgroup.remove()
            for directory in cgroup.everyDirectory {
                rmdir(String(directory.dropLast("/c1".utf8.count)))
            }
        }
        try body(&cgroup)
    }

    private func read(_ cgroup: ContainerCgroup, _ v1: (String, String), _ v2: String) -> String {
        let home = cgroup.directories[v1.0].map { $0 + "/" + v1.1 }
        return CgroupFile.words(home ?? (cgroup.unified ?? "") + "/" + v2).joined(separator: " ")
    }

    @Test(.enabled(if: LiveCgroups.has("memory") && LiveCgroups.has("pids"), "no controllers"))
    func limitsStandInTheFilesOfTheirControllers() throws {
        let asked = request {
            $0.memory.limit = 64 << 20
            $0.pidsLimit = 17
            $0.cpu.shares = 1024
            $0.cpu.quota = 50_000
            $0.cpu.cpus = "0"
        }
        try withCgroup(asked) { cgroup in
            #expect(
                read(cgroup, ("memory", "memory.limit_in_bytes"), "memory.max") == "\(64 << 20)")
            #expect(read(cgroup, ("pids", "pids.max"), "pids.max") == "17")
            #expect(read(cgroup, ("cpuset", "cpuset.cpus"), "cpuset.cpus") == "0")
            #expect(
                read(cgroup, ("cpu", "cpu.cfs_quota_us"), "cpu.max").split(separator: " ")[0]
                    == "50000")
            #expect(cgroup.notes.isEmpty)
        }
    }

    /// On v1 memory is limited within memory and swap, whichever way both go.
    @Test(.enabled(if: LiveCgroups.has("memory"), "no memory controller"))
    func memoryAndSwapRiseAndFallTogether() throws {
        try withCgroup(request()) { cgroup in
            for megabytes in [64, 256, 32] as [Int64] {
                var resources = ResourcesSpec()
                resources.memory.limit = megabytes << 20
                resources.memory.swap = megabytes << 21
                _ = try cgroup.update(resources)
                #expect(
                    read(cgroup, ("memory", "memory.limit_in_bytes"), "memory.max")
                        == "\(megabytes << 20)")
            }
        }
    }

    @Test(.enabled(if: LiveCgroups.has("memory"), "no memory controller"))
    func anUpdateBelowWhatIsUsedIsRefusedWhereAskedFor() throws {
        try withCgroup(request()) { cgroup in
            var resources = ResourcesSpec()
            resources.memory.limit = 4096
            resources.memory.checkBeforeUpdate = true
            let file = cgroup.directories["memory"].map { $0 + "/memory.usage_in_bytes" }
            // The shell keeps what it has read.
            let child = try Sleeper([
                "/bin/sh", "-c",
                "sleep 0.2; x=$(tr '\\0' a < /dev/zero | head -c 3000000); sleep 60",
            ])
            try cgroup.admit(child.pid, isCloned: false)
            #expect(
                eventually {
                    CgroupFile.number(file ?? (cgroup.unified ?? "") + "/memory.current") ?? 0
                        > 1 << 20
                })
            let error = #expect(throws: SystemError.self) { try cgroup.update(resources) }
            #expect(error?.subject == "linux.resources.memory.limit")
            #expect(error?.errno == EBUSY)
        }
    }

    @Test func whatTheMachineRefusesNamesTheFieldAndLeavesNothing() throws {
        let asked = request {
            $0.memory.limit = 64 << 20
            $0.unified = ["memory.nonsense": "1"]
        }
        let error = #expect(throws: SystemError.self) { try ContainerCgroup.make(asked) }
        #expect(error?.subject == "linux.resources.unified[memory.nonsense]")
        let mounts = Set(
            LiveCgroups.host.v1.values.map(\.mount) + [LiveCgroups.host.unified?.mount ?? ""])
        for mount in mounts { #expect(!Files.exists(mount + path), "\(mount)") }
    }

    @Test(arguments: ["cpu", "rdma", "network"])
    func aLimitWithoutItsControllerNamesTheField(_ what: String) throws {
        let asked = request {
            switch what {
            case "cpu": $0.cpu.cpus = "4095"
            case "rdma":
                var limit = RdmaLimit()
                limit.hcaHandles = 1
                $0.rdma = ["none0": limit]
            default:
                $0.network = NetworkSpec()
                $0.network?.priorities = ["no such interface": 1]
            }
        }
        let error = #expect(throws: SystemError.self) { try ContainerCgroup.make(asked) }
        #expect(error?.subject.hasPrefix("linux.resources.\(what)") == true, "\(error as Any)")
    }

    @Test func aProcessIsAdmittedEverywhereAndTheLastOneIsKilled() throws {
        try withCgroup(request()) { cgroup in
            let sleeper = try Sleeper()
            try cgroup.admit(sleeper.pid, isCloned: false)
            #expect(cgroup.processes == [sleeper.pid])
            let lines = try Files.text("/proc/\(sleeper.pid)/cgroup").split(separator: "\n")
            #expect(!lines.isEmpty && lines.allSatisfy { $0.hasSuffix(":\(path)/c1") }, "\(lines)")
            try cgroup.signal(SIGKILL)
            #expect(sleeper.wait() == SIGKILL)
            try cgroup.remove()
            #expect(!cgroup.everyDirectory.contains(where: Files.exists))
        }
    }

    @Test func frozenProcessesStandUntilTheyAreThawed() throws {
        try withCgroup(request()) { cgroup in
            let busy = try Sleeper(["/bin/sh", "-c", "while :; do :; done"])
            try cgroup.admit(busy.pid, isCloned: false)
            try cgroup.freeze()
            #expect(cgroup.isFrozen)
            // A process of the same name as the frozen one gets no time.
            let stands = try Files.text("/proc/\(busy.pid)/stat")
            usleep(50_000)
            #expect(try Files.text("/proc/\(busy.pid)/stat") == stands)
            try cgroup.thaw()
            #expect(!cgroup.isFrozen)
            #expect(eventually { (try? Files.text("/proc/\(busy.pid)/stat")) != stands })
            // What is frozen can be killed.
            try cgroup.freeze()
            try cgroup.signal(SIGKILL)
            #expect(busy.wait() == SIGKILL)
        }
    }

    @Test func anOccupiedOrFrozenCgroupIsNotShared() throws {
        try withCgroup(request()) { cgroup in
            let sleeper = try Sleeper()
            try cgroup.admit(sleeper.pid, isCloned: false)
            let error = #expect(throws: SystemError.self) { try ContainerCgroup.make(request()) }
            #expect(error?.errno == EBUSY)
            sleeper.end()
            // Empty, it is used again.
            _ = try ContainerCgroup.make(request())
            try cgroup.freeze()
            let frozen = #expect(throws: SystemError.self) { try ContainerCgroup.make(request()) }
            #expect(frozen?.errno == EBUSY)
            #expect(frozen?.hint?.contains("frozen") == true)
            try cgroup.thaw()
        }
    }

    @Test func cgroupsThatTheContainerMadeGoWithIt() throws {
        try withCgroup(request()) { cgroup in
            for directory in cgroup.everyDirectory {
                try Files.makeDirectories(directory + "/inner/most")
            }
            try cgroup.remove()
            #expect(!cgroup.everyDirectory.contains(where: Files.exists))
        }
    }

    @Test func theStateFileBringsItBack() throws {
        try withCgroup(request()) { cgroup in
            let again = try ContainerCgroup(record: cgroup.record)
            #expect(again == cgroup)
            #expect(again.directories == cgroup.directories)
        }
        #expect(throws: SystemError.self) {
            try ContainerCgroup(
                record: ["manager": "cgroupfs", "directory.memory": "/sys/../etc"])
        }
        #expect(throws: SystemError.self) { try ContainerCgroup(record: [:]) }
    }

    // MARK: Devices

    /// The shell joins `directory` and opens two devices; its exit code says which ones it got.
    private func opens(_ directory: String) throws -> Int32 {
        let shell = try Sleeper([
            "/bin/sh", "-c",
            "echo 0 > \(directory)/cgroup.procs || exit 9; a=0; (: < /dev/null) && a=1; (: < /dev/fuse) 2>/dev/null && a=$((a + 2)); exit $a",
        ])
        return (shell.wait() ?? -1) >> 8
    }

    private var fuse: DeviceRule {
        var rule = DeviceRule(allow: true)
        (rule.kind, rule.major, rule.minor) = ("c", 10, 229)
        return rule
    }

    @Test(
        .enabled(if: Files.exists("/dev/fuse"), "no device to deny"),
        arguments: ["devices", ContainerCgroup.unified])
    func devicesAreRefusedUntilARuleAllowsThem(where place: String) throws {
        try withCgroup(request()) { cgroup throws in
            guard let directory = cgroup.directories[place] else { return }
            var one = ContainerCgroup(manager: .cgroupfs)
            one.directories = [place: directory]
            let nothing = DeviceRule(allow: false)
            #expect(try one.apply(DeviceRules([nothing])) == [])
            #expect(try opens(directory) == 1)
            #expect(try one.apply(DeviceRules([nothing, fuse])) == [])
            #expect(try opens(directory) == 3)
            // Set anew, the earlier program is gone, and not one beside it.
            #expect(try one.apply(DeviceRules([nothing])) == [])
            #expect(try opens(directory) == 1)
            #expect(try one.apply(DeviceRules([DeviceRule(allow: true)])) == [])
            #expect(try opens(directory) == 3)
        }
    }
}

/// What is left where the machine grants nothing.
struct CgroupLeniencyTests {
    private let barred: CgroupHost = {
        var host = CgroupHost()
        host.v1["memory"] = .init(mount: "/nonexistent", own: "")
        return host
    }()

    @Test func withoutLimitsARootlessContainerGoesWithoutACgroup() throws {
        var request = CgroupRequest(id: "c1", isRootless: true)
        let cgroup = try ContainerCgroup.make(request, on: barred)
        #expect(cgroup.directories.isEmpty)
        #expect(cgroup.notes.contains { $0.contains("/nonexistent") })
        #expect(throws: SystemError.self) {
            request.isRootless = false
            _ = try ContainerCgroup.make(request, on: barred)
        }
    }

    @Test(arguments: [true, false])
    func aLimitThatNobodyHoldsIsAnError(isDisabled: Bool) throws {
        var request = CgroupRequest(id: "c1", isRootless: true)
        if isDisabled { request.manager = .disabled }
        request.resources = ResourcesSpec()
        request.resources?.pidsLimit = -1
        _ = try ContainerCgroup.make(request, on: barred)
        request.resources?.memory.limit = 1 << 20
        let error = #expect(throws: SystemError.self) {
            try ContainerCgroup.make(request, on: barred)
        }
        #expect(error?.subject == "linux.resources.memory.limit")
    }

    @Test func withoutACgroupNothingIsPaused() throws {
        let cgroup = try ContainerCgroup.make(CgroupRequest(id: "c1", manager: .disabled))
        #expect(cgroup.processes.isEmpty)
        let error = #expect(throws: SystemError.self) { try cgroup.freeze() }
        #expect(error?.errno == EOPNOTSUPP)
        try cgroup.remove()
    }
}

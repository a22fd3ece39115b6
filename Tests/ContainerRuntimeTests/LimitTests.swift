import Glibc
import LinuxSystem
import Testing

@testable import ContainerRuntime

/// Memory and process limits, by whatever this machine grants.
@Suite(.enabled(if: TestImage.isPossible, TestImage.reason), .timeLimit(.minutes(1)))
struct LimitTests {
    /// awk doubles a string until it is refused or killed.
    private let hungry = "exec awk 'BEGIN { s = \"x\"; while (1) s = s s }'"

    @Test(arguments: Runner.possible)
    func aMemoryLimitHoldsAndIsTold(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let ended = try launcher.shell(hungry) { $0.memoryLimit = 32 << 20 }
        let exit = ended.exit
        #expect(exit.status != .code(0))
        switch exit.enforcement.memory {
        case "cgroup-v1", "cgroup-v2":
            #expect(exit.outOfMemory)
            #expect(exit.status == .signal(SIGKILL))
            #expect((16 << 20...32 << 20).contains(exit.peakMemory))
        case "rlimit": #expect(exit.peakMemory < 48 << 20)
        default: Issue.record("no enforcement: \(exit.enforcement.memory)")
        }
        // The next task in the same cgroup starts from nothing.
        let next = try launcher.shell("true") { $0.memoryLimit = 64 << 20 }
        #expect(next.exit.status == .code(0))
        #expect(!next.exit.outOfMemory)
        #expect(next.exit.peakMemory < 16 << 20)
    }

    @Test(arguments: Runner.possible)
    func aChildKilledForMemoryIsToldToo(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let ended = try launcher.shell("(\(hungry)); exit 3") { $0.memoryLimit = 32 << 20 }
        #expect(ended.exit.status == .code(3))
        if runner == .root, Self.hasCgroups {
            #expect(ended.exit.enforcement.memory.hasPrefix("cgroup"))
        }
        if ended.exit.enforcement.memory.hasPrefix("cgroup") { #expect(ended.exit.outOfMemory) }
    }

    @Test(arguments: Runner.possible)
    func aProcessLimitHolds(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let ended = try launcher.shell(
            "for i in $(seq 30); do sleep 0.3 & done; wait; echo through"
        ) {
            $0.pidsLimit = 10
        }
        if runner == .root, Self.hasCgroups { #expect(ended.exit.enforcement.pids != "none") }
        if ended.exit.enforcement.pids == "none" {
            #expect(ended.output == "through\n")
        } else {
            #expect(ended.errors.contains("fork"))
        }
    }

    /// Version 1: a directory for each controller. Version 2: root's own cgroup names those that can be handed on.
    static let hasCgroups: Bool = {
        guard geteuid() == 0 else { return false }
        let v1 = ["cpuset", "memory"].map { "/sys/fs/cgroup/" + $0 }
        if v1.allSatisfy({ access($0, W_OK) == 0 }) { return true }
        let v2 = (try? Files.text("/sys/fs/cgroup/cgroup.controllers")) ?? ""
        return access("/sys/fs/cgroup/cgroup.procs", W_OK) == 0
            && ["cpuset", "memory"].allSatisfy(
                v2.split(whereSeparator: \.isWhitespace).map(String.init).contains)
    }()

    /// Affinity alone a task can widen again; a cgroup it cannot.
    @Test(.enabled(if: hasCgroups, "no cgroup controllers that this user may divide"))
    func aTaskThatIsHeldByACgroupStaysOnItsCPUs() throws {
        let all = try Affinity.current().sorted()
        try #require(all.count > 1)
        let launcher = try LauncherUnderTest(.root)
        let ended = try launcher.run(
            {
                var spec = ContainerSpec(
                    root: .host,
                    arguments: [
                        "/bin/sh", "-c",
                        "taskset -pc \(all[0])-\(all[1]) $$ >/dev/null 2>&1; exec grep Cpus_allowed_list /proc/self/status",
                    ])
                spec.cpus = [all[0]]
                return spec
            }())
        #expect(ended.exit.enforcement.cpu.hasPrefix("cgroup"), "\(ended.exit.enforcement.cpu)")
        #expect(ended.output == "Cpus_allowed_list:\t\(all[0])\n")
        // The next one in the same cgroup has CPUs of its own.
        let next = try launcher.shell("grep Cpus_allowed_list /proc/self/status") {
            $0.cpus = [all[1]]
        }
        #expect(next.output == "Cpus_allowed_list:\t\(all[1])\n")
    }

    @Test(.enabled(if: hasCgroups, "no cgroup controllers that this user may divide"))
    func cgroupsThatSomebodyRemovedAreMadeAnew() throws {
        let launcher = try LauncherUnderTest(.root)
        let first = try launcher.shell("echo one") { $0.memoryLimit = 64 << 20 }
        #expect(first.exit.enforcement.memory.hasPrefix("cgroup"))
        var removed = 0
        for top in ["/sys/fs/cgroup"]
            + (try Files.names(in: "/sys/fs/cgroup")).map({ "/sys/fs/cgroup/" + $0 })
        {
            let base = "\(top)/martlet-\(launcher.pid)"
            for slot in (try? Files.directoryNames(in: base)) ?? [] { rmdir(base + "/" + slot) }
            if rmdir(base) == 0 { removed += 1 }
        }
        #expect(removed > 0)
        let next = try launcher.shell("echo two") { $0.memoryLimit = 64 << 20 }
        #expect(next.output == "two\n")
        #expect(next.exit.enforcement.memory.hasPrefix("cgroup"))
    }

    /// What a kept layer holds stays charged to its cgroup, which another task must not inherit.
    @Test(arguments: Runner.possible)
    func aKeptLayerTakesNoMemoryFromTheNextTask(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let first = try launcher.start(
            launcher.spec("dd if=/dev/zero of=/large bs=1M count=40") {
                $0.memoryLimit = 96 << 20
                $0.keepUpper = true
            })
        #expect(try launcher.finish(first, acknowledge: false).exit.status == .code(0))
        let next = try launcher.shell("dd if=/dev/zero of=/dev/shm/f bs=1M count=20; echo through")
        {
            $0.memoryLimit = 32 << 20
        }
        #expect(next.output == "through\n")
        #expect(next.exit.status == .code(0))
    }

    @Test(.enabled(if: hasCgroups, "no cgroup controllers that this user may divide"))
    func cgroupsOfDeadLaunchersAreRemoved() throws {
        let launcher = try LauncherUnderTest(.root)
        _ = try launcher.shell("true") { $0.memoryLimit = 64 << 20 }
        let places = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids", "/sys/fs/cgroup"]
            .map { "\($0)/martlet-\(launcher.pid)" }.filter(Files.exists)
        launcher.killLauncher()
        #expect(!places.isEmpty && places.allSatisfy(Files.exists))
        try launcher.startAgain()
        #expect(!places.contains(where: Files.exists))
    }

    @Test(arguments: Runner.possible)
    func withoutLimitsNoneIsClaimed(runner: Runner) throws {
        let exit = try LauncherUnderTest(runner).shell("true").exit
        #expect(exit.enforcement.memory == "none")
        #expect(exit.enforcement.pids == "none")
        #expect(!exit.outOfMemory)
    }

    @Test(.enabled(if: geteuid() == 0, "only root divides this machine's cgroups"))
    func cgroupsAreGoneWithTheLauncher() throws {
        let launcher = try LauncherUnderTest(.root)
        _ = try launcher.shell("true") { $0.memoryLimit = 64 << 20 }
        let places = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids", "/sys/fs/cgroup"]
            .map { "\($0)/martlet-\(launcher.pid)" }.filter(Files.exists)
        #expect(!places.isEmpty)
        kill(launcher.pid, SIGTERM)
        #expect(eventually { !places.contains(where: Files.exists) })
    }
}

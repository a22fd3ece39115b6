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
        if ended.exit.enforcement.pids == "none" {
            #expect(ended.output == "through\n")
        } else {
            #expect(ended.errors.contains("fork"))
        }
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

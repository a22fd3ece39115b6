import Glibc
import LinuxSystem
import Testing

@testable import ContainerRuntime

/// What keeps a task where it was placed, seen by itself and as it is told. This machine may have one NUMA node alone:
/// NUMATests has two and four.
@Suite(
    .enabled(if: TestImage.isPossible, TestImage.reason),
    .enabled(if: Files.exists("/proc/self/numa_maps"), "a kernel without NUMA"),
    .timeLimit(.minutes(1)))
struct BindingTests {
    private let look =
        "grep -m 1 heap /proc/self/numa_maps; grep Mems_allowed_list /proc/self/status"

    /// numa_maps, proc(5).
    @Test(
        arguments: Runner.possible,
        [
            (MemoryPolicy(.preferredMany, [0]), "prefer (many):0"),
            (MemoryPolicy(.preferred, [0]), "prefer:0"), (MemoryPolicy(.bind, [0]), "bind:0"),
            (MemoryPolicy(.interleave, [0]), "interleave:0"),
        ])
    func aTaskStartsWithItsMemoryPolicy(runner: Runner, policy: (MemoryPolicy, String)) throws {
        let ended = try LauncherUnderTest(runner).shell(look) { $0.memoryPolicy = policy.0 }
        #expect(ended.output.contains(" \(policy.1) "), "\(ended)")
        #expect(ended.exit.enforcement.memoryPolicy == policy.0.mode.name)
        #expect(ended.exit.enforcement.memoryBinding == "none")
    }

    @Test(arguments: Runner.possible)
    func withoutAPolicyThereIsNone(runner: Runner) throws {
        let ended = try LauncherUnderTest(runner).shell(look)
        #expect(ended.output.contains(" default "), "\(ended)")
        #expect(ended.exit.enforcement.memoryPolicy == "none")
        #expect(ended.exit.enforcement.cpuBinding == "none")
    }

    @Test(arguments: Runner.possible)
    func anImpossiblePolicyIsLeftOutWhereItPrefersAndAnErrorWhereItBinds(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let preferred = try launcher.shell("true") {
            $0.memoryPolicy = MemoryPolicy(.preferredMany, [900])
        }
        #expect(preferred.exit.status == .code(0))
        #expect(preferred.exit.enforcement.memoryPolicy == "none")
        let bound = try launcher.shell("true") { $0.memoryPolicy = MemoryPolicy(.bind, [900]) }
        guard case .startFailure("set_mempolicy", let subject, EINVAL) = bound.exit.status else {
            Issue.record("\(bound)")
            return
        }
        #expect(subject.contains("strict"))
    }

    @Test(arguments: Runner.possible)
    func aCommandBesideATaskHasItsPolicy(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let id = try launcher.startSleeping { $0.memoryPolicy = MemoryPolicy(.bind, [0]) }
        var spec = ExecSpec(arguments: ["sh", "-c", look])
        spec.memoryPolicy = MemoryPolicy(.bind, [0])
        #expect(try launcher.exec(spec, in: id).output.contains(" bind:0 "))
    }

    @Test(.enabled(if: LimitTests.hasCgroups, "no cgroup controllers that this user may divide"))
    func aCgroupHoldsCPUsAndMemoryAndSaysSo() throws {
        let cpu = try #require(try Affinity.current().max())
        let launcher = try LauncherUnderTest(.root)
        let ended = try launcher.shell(look + "; grep Cpus_allowed_list /proc/self/status") {
            $0.cpus = [cpu]
            $0.memoryNodes = [0]
        }
        #expect(ended.output.contains("Mems_allowed_list:\t0\nCpus_allowed_list:\t\(cpu)\n"))
        #expect(ended.exit.enforcement.cpuBinding.hasPrefix("cgroup"))
        #expect(ended.exit.enforcement.memoryBinding.hasPrefix("cgroup"))
        // The directory is used again.
        let next = try launcher.shell("true") { $0.cpus = [cpu] }
        #expect(next.exit.enforcement.memoryBinding == "none")
        let refused = try launcher.shell("true") { $0.memoryNodes = [900] }
        guard case .startFailure("cpuset.mems", _, EINVAL) = refused.exit.status else {
            Issue.record("\(refused)")
            return
        }
    }
}

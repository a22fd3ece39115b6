import Glibc
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// `process.scheduler`: as sched_getattr(2) tells it, by the program chrt(1).
@Suite(
    .enabled(
        if: TestImage.isPossible && Files.exists("/usr/bin/chrt"), "needs busybox-static, chrt"),
    .timeLimit(.minutes(1)))
struct SchedulerFieldTests {
    /// Policy and rest of a waiting container's process.
    private func told(_ bundle: TestBundle) throws -> [String] {
        let pid = try bundle.record(try bundle.startSleeping()).pid
        let said = try ProgramOutput.of("chrt", ["-p", "\(pid)"])
        let nice = try Files.text("/proc/\(pid)/stat").split(separator: " ")[18]
        return said.split(separator: "\n").compactMap { $0.split(separator: ": ").last }.map {
            String($0)
        } + ["\(nice)"]
    }

    @Test(arguments: Runner.possible)
    func aBatchIsOneAndNice(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        // linux/sched.h: SCHED_BATCH, SCHED_FLAG_RESET_ON_FORK.
        bundle.process.scheduler = SchedulerSpec()
        bundle.process.scheduler?.policy = 3
        bundle.process.scheduler?.nice = 7
        bundle.process.scheduler?.flags = 1
        #expect(try told(bundle) == ["SCHED_BATCH|SCHED_RESET_ON_FORK", "0", "7"])
    }

    @Test(
        .enabled(if: geteuid() == 0 && LiveCgroups.has("cpu"), "needs root's share of real time"))
    func realTimeHasItsPriority() throws {
        let bundle = try TestBundle()
        // Where real time is shared out by cgroups, they need some; v2 shares none out.
        if ResourceFieldTests.v1["cpu"] != nil {
            bundle.linux.resources?.cpu.realtimePeriod = 1_000_000
            bundle.linux.resources?.cpu.realtimeRuntime = 10_000
        }
        bundle.process.scheduler = SchedulerSpec()
        bundle.process.scheduler?.policy = 2
        bundle.process.scheduler?.priority = 3
        #expect(try told(bundle) == ["SCHED_RR", "3", "0"])
    }

    @Test(.enabled(if: geteuid() == 0, "only root makes deadlines"))
    func aDeadlineHasItsTimes() throws {
        let bundle = try TestBundle()
        bundle.process.scheduler = SchedulerSpec()
        bundle.process.scheduler?.policy = 6
        bundle.process.scheduler?.runtime = 1_000_000
        bundle.process.scheduler?.deadline = 20_000_000
        bundle.process.scheduler?.period = 50_000_000
        // A process that has one may not fork, and needs no shell.
        bundle.process.args = ["sleep", "100"]
        #expect(
            try told(bundle) == ["SCHED_DEADLINE", "0", "1000000/20000000/50000000", "0"])
    }
}

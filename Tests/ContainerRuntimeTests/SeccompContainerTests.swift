import Glibc
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// What tasks may ask of the kernel.
@Suite(
    .enabled(if: TestImage.isPossible && RawCall.isPossible, "needs busybox-static and x86-64"),
    .timeLimit(.minutes(1)))
struct SeccompContainerTests {
    private func end(
        _ launcher: LauncherUnderTest, _ call: RawCall,
        _ change: (inout ContainerSpec) -> Void = { _ in }
    ) throws -> ContainerExit.Status {
        try call.write(launcher.image.path + "/bin/call")
        var spec = ContainerSpec(root: .layers([launcher.image.path]), arguments: ["call"])
        spec.withInit = true
        change(&spec)
        return try launcher.run(spec).exit.status
    }

    /// asm/unistd_64.h; the arguments would make each fail otherwise than by the filter, or succeed.
    static let refused: [(String, UInt32, [UInt64])] = [
        ("unshare(NEWNS)", 272, [0x0002_0000]), ("unshare(NEWUSER)", 272, [0x1000_0000]),
        ("unshare()", 272, [0]), ("setns", 308, [999, 0]), ("mount", 165, []), ("umount2", 166, []),
        ("pivot_root", 155, []), ("open_tree", 428, []), ("fsopen", 430, []),
        ("keyctl", 250, [0, 0xffff_fffd, 0]), ("add_key", 248, []), ("bpf", 321, [999]),
        ("perf_event_open", 298, []), ("io_uring_setup", 425, [1, 0]), ("userfaultfd", 323, [0]),
        ("init_module", 175, []), ("kexec_load", 246, []), ("reboot", 169, []), ("swapon", 167, []),
        ("settimeofday", 164, []), ("open_by_handle_at", 304, []), ("acct", 163, []),
        ("ptrace's relative kcmp", 312, []), ("syslog", 103, [10]), ("quotactl", 179, []),
        ("clone(NEWUSER)", 56, [0x1000_0011]), ("clone(NEWNET)", 56, [0x4000_0011]),
        ("personality(ADDR_NO_RANDOMIZE)", 135, [0x0004_0000]),
        ("socket(AF_VSOCK)", 41, [40, 1, 0]), ("socket(AF_ALG)", 41, [38, 5, 0]),
    ]

    @Test(arguments: Runner.possible)
    func whatLeadsOutOfAContainerIsRefused(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        for (name, number, arguments) in Self.refused {
            let status = try end(launcher, RawCall(number, arguments))
            #expect(status == .code(EPERM), "\(name)")
        }
    }

    /// asm/unistd_64.h, and what the kernel itself says to such arguments.
    static let allowed: [(String, UInt32, [UInt64], Int32)] = [
        ("getpid", 39, [], 0), ("ptrace(PEEKDATA)", 101, [2, 999, 0, 0], ESRCH),
        ("process_vm_readv", 310, [999, 0, 0, 0, 0, 0], 0),
        ("get_mempolicy", 239, [0, 0, 0, 0, 0], 0),
        ("set_mempolicy", 238, [0, 0, 0], 0), ("mbind", 237, [0, 0, 99, 0, 0, 0], EINVAL),
        ("move_pages", 279, [0, 0, 0, 0, 0, 0], 0),
        ("set_mempolicy_home_node", 450, [0, 0, 999, 0], EINVAL),
        ("personality()", 135, [0xffff_ffff], 0), ("personality(PER_LINUX32)", 135, [8], 0),
        ("socket(AF_UNIX)", 41, [1, 1, 0], 0), ("socket(AF_INET)", 41, [2, 2, 0], 0),
        ("socket(AF_NETLINK)", 41, [16, 3, 0], 0),
        ("clone()", 56, [17, 0], 0), ("sched_setaffinity", 203, [0, 0, 0], EINVAL),
        ("memfd_create", 319, [0, 0], EFAULT), ("seccomp", 317, [9, 0, 0], EINVAL),
        ("landlock_create_ruleset", 444, [0, 0, 1], 0), ("chroot", 161, [0], EFAULT),
        ("futex_waitv", 449, [0, 0, 1, 0, 0], EINVAL),
        // These do not exist here, so that C libraries take what could be checked.
        ("clone3", 435, [0, 0], ENOSYS), ("a call of the future", 1000, [], ENOSYS),
    ]

    @Test(arguments: Runner.possible)
    func whatProgramsNeedIsThere(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        for (name, number, arguments, errno) in Self.allowed {
            let status = try end(launcher, RawCall(number, arguments))
            #expect(status == .code(errno), "\(name)")
        }
    }

    /// The kernel's other doors: there the numbers mean other calls.
    @Test(arguments: Runner.possible)
    func otherSystemCallTablesAreClosed(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        for call in [
            RawCall(0x4000_0000 | 39), RawCall(0x4000_0000 | 272, [0x0002_0000]),
            RawCall(20, gate: .int80), RawCall(310, [0x0002_0000], gate: .int80),
        ] {
            #expect(try end(launcher, call) == .code(128 + SeccompFilterTests.sigsys))
        }
    }

    @Test(arguments: Runner.possible)
    func theFilterIsTheTasksAndNotTheInits(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        func filters(_ change: (inout ContainerSpec) -> Void) throws -> String {
            try launcher.shell("grep -h Seccomp: /proc/1/status /proc/self/status", change).output
        }
        #expect(try filters { _ in } == "Seccomp:\t2\nSeccomp:\t2\n")
        #expect(try filters { $0.withInit = true } == "Seccomp:\t0\nSeccomp:\t2\n")
        #expect(try filters { $0.seccomp = .unconfined } == "Seccomp:\t0\nSeccomp:\t0\n")
        let host = try launcher.run(
            ContainerSpec(root: .host, arguments: ["/bin/grep", "Seccomp:", "/proc/self/status"]))
        #expect(host.output == "Seccomp:\t2\n")
    }

    @Test(arguments: Runner.possible)
    func aProfileOfTheSpecTakesThePlaceOfTheStandardOne(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let profile = SeccompFilterTests.profile(
            SeccompFilterTests.rule(["getpid"], "SCMP_ACT_ERRNO", errno: 71))
        #expect(try end(launcher, RawCall(39)) { $0.seccomp = .profile(profile) } == .code(71))
        // KEYCTL_GET_KEYRING_ID of the process's own, keyctl(2).
        let keyring = RawCall(SeccompFilterTests.keyctl, [0, 0xffff_fffe, 1])
        #expect(try end(launcher, keyring) == .code(EPERM))
        #expect(try end(launcher, keyring) { $0.seccomp = .profile(profile) } == .code(0))
        #expect(try end(launcher, RawCall(39)) == .code(0))
    }

    /// A program may be all that a profile lets through: nothing else is called under the filter.
    @Test(arguments: Runner.possible)
    func aProfileOfTwoCallsStartsAProgram(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let profile = SeccompFilterTests.profile(
            SeccompFilterTests.rule(["execve", "exit"], "SCMP_ACT_ALLOW"),
            SeccompFilterTests.rule(["getpid"], "SCMP_ACT_ERRNO", errno: 71),
            otherwise: "SCMP_ACT_KILL_PROCESS")
        #expect(try end(launcher, RawCall(39)) { $0.seccomp = .profile(profile) } == .code(71))
    }

    @Test(arguments: Runner.possible)
    func aProfileThatDoesNotCompileIsToldByItsField(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let profile = SeccompFilterTests.profile(SeccompFilterTests.rule(["getpid"], "DENY"))
        let status = try end(launcher, RawCall(39)) { $0.seccomp = .profile(profile) }
        guard case .startFailure(let step, let subject, let errno) = status else {
            Issue.record("it ended with \(status)")
            return
        }
        #expect(step == "seccomp")
        #expect(subject == "linux.seccomp.syscalls[0].action: `DENY` is no action")
        #expect(errno == EINVAL)
    }
}

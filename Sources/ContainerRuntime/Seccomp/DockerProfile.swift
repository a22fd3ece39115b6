internal import Glibc
public import OCIRuntimeSpec

extension SeccompSpec {
    /// What a task may ask of the kernel where nothing else is said: Docker's default profile (moby/profiles,
    /// seccomp/default_linux.go) for a container with these capabilities, with three differences.
    ///
    /// - Calls of NUMA memory policy are allowed without CAP_SYS_NICE: they reach the caller's own memory alone, and placing it
    ///   is what tasks with `numactl` are for.
    /// - This machine's own system calls alone: through socketcall(2), which 32-bit programs may use, no rule about socket(2)
    ///   holds. Calls of other architectures, x32 among them, end the program.
    /// - Conditions on the kernel's version are left out: none that has mount_setattr(2), which setup needs, is older.
    public static func docker(capabilities: UInt64) -> SeccompSpec {
        var spec = SeccompSpec(defaultAction: "SCMP_ACT_ERRNO")
        spec.defaultErrnoRet = UInt32(EPERM)
        // A filter would otherwise switch off speculative store bypass for the whole task before Linux 5.16, as runc avoids, too.
        spec.flags = ["SECCOMP_FILTER_FLAG_SPEC_ALLOW"]
        func has(_ capability: String) -> Bool {
            capabilities & Capabilities.mask([capability]) != 0
        }
        spec.syscalls = [.allow(DockerProfile.always)]
        for (capability, names) in DockerProfile.withCapability where has(capability) {
            spec.syscalls.append(.allow(names))
        }
        if !has("sys_admin") { spec.syscalls += DockerProfile.processesWithoutNamespaces }
        spec.syscalls += DockerProfile.personalities.map {
            .allow(["personality"], .init(index: 0, value: $0, op: "SCMP_CMP_EQ"))
        }
        spec.syscalls += DockerProfile.sockets
        return spec
    }
}

extension SeccompSpec.Rule {
    static func allow(_ names: [String], _ arguments: SeccompSpec.Argument...) -> Self {
        var rule = Self(names: names, action: "SCMP_ACT_ALLOW")
        rule.args = arguments
        return rule
    }
}

/// The profile's rules. Not here, and so refused: io_uring (its operations pass no filter), userfaultfd, keyrings, kexec,
/// swapping, and whatever is older than anybody needs.
enum DockerProfile {
    static let withCapability: [(String, [String])] = [
        ("dac_read_search", ["open_by_handle_at"]),
        (
            "sys_admin",
            words(
                """
                bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr
                lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl
                quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare
                """)
        ),
        ("sys_boot", ["reboot"]), ("sys_chroot", ["chroot"]),
        ("sys_module", ["delete_module", "init_module", "finit_module"]), ("sys_pacct", ["acct"]),
        ("sys_ptrace", ["kcmp", "pidfd_getfd", "process_madvise"]),
        ("sys_rawio", ["iopl", "ioperm"]),
        ("sys_time", ["settimeofday", "stime", "clock_settime", "clock_settime64"]),
        ("sys_tty_config", ["vhangup"]), ("syslog", ["syslog"]), ("bpf", ["bpf"]),
        ("perfmon", ["perf_event_open"]),
    ]

    /// clone(2) takes its flags in a register, and those that make namespaces can be refused; clone3(2) takes them in memory,
    /// so it does not exist and C libraries fall back on clone.
    static let processesWithoutNamespaces: [SeccompSpec.Rule] = {
        // CLONE_NEWNS, CGROUP, UTS, IPC, USER, PID and NET, linux/sched.h.
        let namespaces = SeccompSpec.Argument(
            index: 0, value: 0x7e02_0000, op: "SCMP_CMP_MASKED_EQ")
        var clone3 = SeccompSpec.Rule(names: ["clone3"], action: "SCMP_ACT_ERRNO")
        clone3.errnoRet = UInt32(ENOSYS)
        return [.allow(["clone"], namespaces), clone3]
    }()

    /// personality(2): PER_LINUX, PER_LINUX32, each with UNAME26, and asking what it is.
    static let personalities: [UInt64] = [0, 0x8, 0x20000, 0x20008, 0xffff_ffff]

    /// socket(2) by address family. Not AF_VSOCK (40), which leads to the virtual machine's host past every network namespace,
    /// nor AF_ALG (38), a door to the kernel's own cryptography that hardly anybody uses, nor what Linux no longer has.
    static let sockets: [SeccompSpec.Rule] = {
        func family(_ value: UInt64, _ op: String) -> SeccompSpec.Rule {
            .allow(["socket"], .init(index: 0, value: value, op: op))
        }
        // AF_UNIX to AF_ROSE are 1 to 11.
        let others: [UInt64] =
            Array(13...18) + [21, 22, 24] + Array(26...33) + [35, 36, 39, 41, 42, 43, 44, 45]
        return [family(12, "SCMP_CMP_LT")] + others.map { family($0, "SCMP_CMP_EQ") }
    }()

    static func words(_ text: String) -> [String] {
        text.split(whereSeparator: \.isWhitespace).map(String.init)
    }
}

import Glibc
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// `process` of config.json, as its program finds it.
@Suite(.enabled(if: TestImage.isPossible, TestImage.reason), .timeLimit(.minutes(1)))
struct ProcessFieldTests {
    @Test(arguments: Runner.possible)
    func itRunsItsArgumentsInItsDirectoryWithItsEnvironmentAlone(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        bundle.environment.append("CALLER=1")
        bundle.process.cwd = "/etc"
        bundle.process.env = ["PATH=/bin", "A=1", "B==x ", "HOME=/h"]
        let line = "echo $0.$1.; pwd; env | grep -v -e ^PWD -e ^SHLVL | sort"
        let ended = try bundle.run(["sh", "-c", line, "zero", "one two"])
        #expect(ended.output == "zero.one two.\n/etc\nA=1\nB==x \nHOME=/h\nPATH=/bin\n")
        #expect(ended.errors == "")
    }

    @Test(arguments: [Runner.root])
    func itIsItsUserInItsGroups(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        (bundle.process.user.uid, bundle.process.user.gid) = (7, 8)
        bundle.process.user.additionalGids = [9, 4_294_967_294]
        let status = "grep -E '^(Uid|Gid|Groups)' /proc/self/status | tr '\\t' ' '"
        #expect(
            try bundle.said(status)
                == "Uid: 7 7 7 7\nGid: 8 8 8 8\nGroups: 9 4294967294 \n")
    }

    @Test(arguments: Runner.ordinary.filter { $0 != .ordinaryUser })
    func itIsItsUserAmongSubordinateIDs(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        (bundle.process.user.uid, bundle.process.user.gid) = (7, 8)
        bundle.process.user.additionalGids = [9]
        #expect(try bundle.said("id -u; id -g; id -G") == "7\n8\n8 9\n")
    }

    @Test(arguments: Runner.possible)
    func whatItMakesHasItsMask(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        bundle.process.user.umask = 0o027
        #expect(try bundle.said("touch /tmp/made; stat -c %a /tmp/made") == "640\n")
    }

    @Test(arguments: Runner.possible)
    func eachOfItsCapabilitySetsIsItsOwn(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        var sets = CapabilitiesSpec()
        sets.bounding = CapabilitiesSpec.mask([
            "CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW", "CAP_SYSLOG",
        ])
        sets.permitted = CapabilitiesSpec.mask(["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"])
        sets.inheritable = CapabilitiesSpec.mask(["CAP_NET_RAW", "CAP_KILL"])
        sets.ambient = CapabilitiesSpec.mask(["CAP_NET_RAW"])
        sets.effective = CapabilitiesSpec.mask(["CAP_CHOWN"])
        bundle.process.capabilities = sets
        if runner != .ordinaryUser { bundle.process.user.uid = 7 }
        // Of root's exec, as of one that gains no privileges, there stays what was permitted; of another user's, what is
        // ambient (capabilities(7)).
        let expected =
            runner == .ordinaryUser
            ? ["Inh:2020", "Prm:2021", "Eff:2021", "Bnd:400002021", "Amb:2000"]
            : ["Inh:2020", "Prm:2000", "Eff:2000", "Bnd:400002021", "Amb:2000"]
        let line =
            "grep ^Cap /proc/self/status | tr -d '\\t' | awk '{ sub(/:0*/, \":\"); print substr($0, 4) }'"
        #expect(try bundle.said(line).split(separator: "\n").map(String.init) == expected)
    }

    @Test(arguments: Runner.possible)
    func withoutCapabilitiesItCanDoNothing(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        bundle.process.capabilities?.bounding |= CapabilitiesSpec.mask(["CAP_SYS_CHROOT"])
        bundle.process.capabilities?.effective = bundle.process.capabilities?.bounding ?? 0
        bundle.process.capabilities?.permitted = bundle.process.capabilities?.bounding ?? 0
        #expect(try bundle.said("chroot / true && echo may") == "may\n")
        bundle.process.capabilities = nil
        #expect(try bundle.run("chroot / true && echo may").output == "")
        #expect(
            try bundle.said("grep -E 'Cap(Prm|Eff|Bnd)' /proc/self/status | tr -d '\\t:0'")
                == "CapPrm\nCapEff\nCapBnd\n")
    }

    @Test(arguments: Runner.possible)
    func itsResourcesAreLimitedByTheirKinds(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        // asm-generic/resource.h: FSIZE, CORE, NOFILE, RTTIME.
        bundle.process.rlimits = [
            RlimitSpec(resource: 1, soft: 1 << 20, hard: 1 << 21),
            RlimitSpec(resource: 4, soft: 0, hard: 0),
            RlimitSpec(resource: 7, soft: 60, hard: 61),
            RlimitSpec(resource: 15, soft: 5, hard: 6),
        ]
        let line =
            "grep -E 'file size|core|open files|realtime timeout' /proc/self/limits | tr -s ' '"
        #expect(
            try bundle.said(line) == """
                Max file size 1048576 2097152 bytes 
                Max core file size 0 0 bytes 
                Max open files 60 61 files 
                Max realtime timeout 5 6 us 

                """)
    }

    @Test(arguments: Runner.possible, [false, true])
    func itGainsPrivilegesOrNot(runner: Runner, never: Bool) throws {
        let bundle = try TestBundle(runner)
        bundle.process.noNewPrivileges = never
        #expect(
            try bundle.said("grep NoNewPrivs /proc/self/status")
                == "NoNewPrivs:\t\(never ? 1 : 0)\n")
    }

    @Test(arguments: Runner.possible)
    func theKernelKillsItFirstOrLast(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        bundle.process.oomScoreAdj = 321
        #expect(try bundle.said("cat /proc/self/oom_score_adj") == "321\n")
    }

    @Test(arguments: Runner.possible)
    func itsDiskAccessHasItsPriority(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        bundle.process.ioPriority = IOPrioritySpec(schedulingClass: 2, priority: 6)
        #expect(try bundle.said("busybox ionice -p 1") == "best-effort: prio 6\n")
        bundle.process.ioPriority = IOPrioritySpec(schedulingClass: 3, priority: 0)
        #expect(try bundle.said("busybox ionice -p 1").hasPrefix("idle"))
    }
}

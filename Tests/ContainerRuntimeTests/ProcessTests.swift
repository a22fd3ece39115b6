import Glibc
import LinuxSystem
import Testing

@testable import ContainerRuntime

/// What a task finds itself to be.
@Suite(.enabled(if: TestImage.isPossible, TestImage.reason), .timeLimit(.minutes(1)))
struct ProcessTests {
    @Test(arguments: Runner.possible)
    func outputsAreTheFilesGivenAndInputIsEmpty(runner: Runner) throws {
        let ended = try LauncherUnderTest(runner).shell("cat; echo out; echo err >&2; exit 3")
        #expect(ended.exit.status == .code(3))
        #expect(ended.output == "out\n")
        #expect(ended.errors == "err\n")
        #expect(ended.exit.ended >= ended.exit.started)
    }

    @Test(arguments: Runner.possible)
    func aSignalIsTold(runner: Runner) throws {
        // Not PID 1, which would not receive it.
        let launcher = try LauncherUnderTest(runner)
        let ended = try launcher.shell("kill -9 $$; echo deaf") { $0.withInit = true }
        #expect(ended.exit.status == .code(128 + 9))
        #expect(ended.output == "")
    }

    @Test(arguments: Runner.possible)
    func theEnvironmentIsTheSpecsAlone(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        var ended = try launcher.run(
            ContainerSpec(root: .layers([launcher.image.path]), arguments: ["env"]))
        #expect(
            ended.output
                == "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nHOME=/root\n"
        )
        var spec = ContainerSpec(root: .layers([launcher.image.path]), arguments: ["env"])
        spec.environment = ["A=1", "PATH=/bin", "HOME=/x", "EMPTY="]
        ended = try launcher.run(spec)
        #expect(ended.output == "A=1\nPATH=/bin\nHOME=/x\nEMPTY=\n")
    }

    @Test(arguments: Runner.possible)
    func noDescriptorIsInherited(runner: Runner) throws {
        // The fourth is ls's own.
        let ended = try LauncherUnderTest(runner).shell("exec ls /proc/self/fd")
        #expect(ended.output == "0\n1\n2\n3\n")
        let links = try LauncherUnderTest(runner).shell("readlink /proc/1/fd/3 /proc/1/fd/4")
        #expect(links.output == "")
    }

    @Test(arguments: Runner.possible)
    func privilegesAreFew(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let status = try launcher.run(
            ContainerSpec(
                root: .layers([launcher.image.path]), arguments: ["cat", "/proc/self/status"])
        ).output
        func field(_ name: String) -> String {
            let line = status.split(separator: "\n").first { $0.hasPrefix(name + ":") } ?? ""
            return line.dropFirst(name.utf8.count + 1).trimmingPrefix { $0.isWhitespace }
                .description
        }
        let docker = String(Capabilities.docker, radix: 16)
        for name in ["CapPrm", "CapEff", "CapBnd"] {
            #expect(field(name).drop { $0 == "0" } == docker, "\(name)")
        }
        for name in ["CapInh", "CapAmb", "SigBlk", "SigIgn"] {
            #expect(field(name).allSatisfy { $0 == "0" }, "\(name)")
        }
        #expect(field("NoNewPrivs") == "1")
    }

    @Test(arguments: Runner.rootOnly)
    func anOrdinaryUserInsideHasNoPrivilegeAtAll(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let ended = try launcher.shell("id; grep -E '^Cap(Prm|Eff|Inh|Amb)' /proc/self/status") {
            $0.user = "worker"
        }
        #expect(ended.output.hasPrefix("uid=1000(worker) gid=1001(workers) groups=2000(data)"))
        #expect(!ended.output.split(separator: "\n").dropFirst().contains { !$0.hasSuffix("0000") })
    }

    @Test(arguments: Runner.possible)
    func rootInsideIsUserZeroAndPIDOne(runner: Runner) throws {
        let ended = try LauncherUnderTest(runner).shell("echo $$ $(id -u) $(id -g)") {
            $0.hostname = "seven"
        }
        #expect(ended.output == "1 0 0\n")
        let name = try LauncherUnderTest(runner).shell("hostname") { $0.hostname = "seven" }
        #expect(name.output == "seven\n")
    }

    @Test(arguments: Runner.possible)
    func theWorkingDirectoryIsMade(runner: Runner) throws {
        let ended = try LauncherUnderTest(runner).shell("pwd; touch here") {
            $0.workingDirectory = "/a/b"
        }
        #expect(ended.output == "/a/b\n")
        #expect(ended.exit.status == .code(0))
    }

    @Test(arguments: Runner.rootOnly)
    func theWorkingDirectoryIsMadeForOthersThanRootAndOnAReadOnlyRootToo(runner: Runner) throws {
        let ended = try LauncherUnderTest(runner).shell("pwd; id -u; touch here") {
            $0.workingDirectory = "/a/b"
            $0.user = "worker"
            $0.readOnlyRoot = true
        }
        #expect(ended.output == "/a/b\n1000\n")
        #expect(ended.errors.contains("Read-only"))
    }

    @Test(arguments: Runner.possible)
    func aTaskRunsOnItsCPUsOnly(runner: Runner) throws {
        let cpu = try #require(try Affinity.current().max())
        let ended = try LauncherUnderTest(runner).shell(
            "grep Cpus_allowed_list /proc/self/status"
        ) { $0.cpus = [cpu] }
        #expect(ended.output == "Cpus_allowed_list:\t\(cpu)\n")
        #expect(["affinity", "cgroup-v1", "cgroup-v2"].contains(ended.exit.enforcement.cpu))
    }

    /// Programs that use select(2), or close all that there could be, must not inherit what the launcher took for itself.
    @Test(arguments: Runner.possible)
    func theLauncherTakesMoreDescriptorsForItselfAlone(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let here = try launcher.shell("ulimit -Sn; ulimit -Hn").output.split(separator: "\n")
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        #expect(here == ["\(limit.rlim_cur)", "\(limit.rlim_max)"])
        let own = try Files.text("/proc/\(launcher.pid)/limits").split(separator: "\n")
            .first { $0.hasPrefix("Max open files") }
        #expect(
            try #require(own).split(separator: " ").dropFirst(3).prefix(2) == [here[1], here[1]])
    }

    @Test(arguments: Runner.possible)
    func limitsOfTheSpecHold(runner: Runner) throws {
        let ended = try LauncherUnderTest(runner).shell("ulimit -n; ulimit -c") {
            $0.resourceLimits = [
                .init(resource: Int32(RLIMIT_NOFILE.rawValue), soft: 99, hard: 100),
                .init(resource: Int32(RLIMIT_CORE.rawValue), soft: 0, hard: 0),
            ]
        }
        #expect(ended.output == "99\n0\n")
    }

    @Test(arguments: Runner.possible)
    func anInitReapsOrphansAndPassesCodesOn(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let line =
            "(sleep 0.05 &); echo $$; sleep 0.2; cat /proc/[0-9]*/stat | grep -c ' Z '; exit 5"
        let ended = try launcher.shell(line) { $0.withInit = true }
        #expect(ended.output == "2\n0\n")
        #expect(ended.exit.status == .code(5))
    }
}

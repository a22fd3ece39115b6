import CLinux
import Glibc
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// What callers, documents and neighbours tell the command line that it must not take.
@Suite(.enabled(if: TestImage.isPossible, TestImage.reason), .timeLimit(.minutes(1)))
struct HostileCallTests {
    @Test(arguments: [
        "", ".", "..", "../x", "a/b", "/a", "-a", ".a", "a b", "a\nb", "ä", "a%", "a:b",
        String(repeating: "a", count: 256),
    ])
    func anIDThatIsMoreThanANameIsRefused(id: String) throws {
        let bundle = try HostileBundle()
        bundle.spec.process?.args = ["true"]
        _ = try bundle.write()
        for verb in ["run", "create", "start", "state", "delete", "kill", "pause"] {
            let ended = try bundle.runtime(verb, "--", id)
            #expect(ended.status == 1, "\(verb)")
        }
        #expect(try Files.names(in: bundle.folder.path + "/state").isEmpty)
        #expect(!Files.exists(bundle.folder.path + "/x"))
    }

    /// crun 1.28 and 1.29: a path that climbs out of where its caller's cgroups are.
    @Test(arguments: ["../martlet-escape", "/a/../../martlet-escape", "/..", "/a//b", "a/./b"])
    func aCgroupPathThatClimbsIsRefused(path: String) throws {
        let bundle = try HostileBundle()
        bundle.spec.linux.cgroupsPath = path
        let ended = try bundle.run("true")
        #expect(ended.status == 1)
        #expect(ended.errors.contains("linux.cgroupsPath"), "\(ended.errors)")
        #expect(try Files.names(in: bundle.folder.path + "/state").isEmpty)
    }

    /// CVE-2026-30892: what is no number is nobody, and not root.
    @Test(arguments: [
        "x", "", "1x", "x1", "-1", "+1", " 1", "0x10", "1:", ":1", "1:x", "1:2:3", "4294967295",
        "4294967296", "99999999999999999999", "root", "1:-1",
    ])
    func aUserThatIsNoNumberIsRefused(user: String) throws {
        let bundle = try HostileBundle()
        let id = try bundle.startSleeping()
        let ended = try bundle.runtime("exec", "--user", user, id, "id", "-u")
        #expect(ended.status == 255)
        #expect(ended.output.isEmpty)
    }

    @Test(arguments: Runner.rootOnly)
    func aUserIsTheNumberThatIsGiven(runner: Runner) throws {
        let bundle = try HostileBundle(runner)
        let id = try bundle.startSleeping()
        let ended = try bundle.runtime("exec", "--user", "007:8", id, "sh", "-c", "id -u; id -g")
        #expect(ended.output == "7\n8\n")
    }

    /// CVE-2025-23266: hooks run on the machine, and their environment must be neither the container's nor the caller's.
    @Test(arguments: Runner.possible)
    func hooksHaveTheirOwnEnvironmentAlone(runner: Runner) throws {
        let bundle = try HostileBundle(runner)
        bundle.environment += ["LD_PRELOAD=/caller.so", "CALLER=1"]
        bundle.spec.process?.env += ["LD_PRELOAD=/container.so", "CONTAINER=1"]
        func hook(_ name: String, env: String = "/usr/bin/env", shell: String = "/bin/sh")
            -> HookSpec
        {
            var hook = HookSpec(path: shell)
            hook.args = [
                "sh", "-c",
                "\(env) > \(bundle.victim)/\(name) 2>&1; ls /proc/self/fd > \(bundle.victim)/\(name).open",
            ]
            hook.env = ["MINE=\(name)"]
            return hook
        }
        bundle.spec.hooks.prestart = [hook("prestart")]
        bundle.spec.hooks.createRuntime = [hook("createRuntime")]
        bundle.spec.hooks.createContainer = [hook("createContainer")]
        bundle.spec.hooks.poststart = [hook("poststart")]
        bundle.spec.hooks.poststop = [hook("poststop")]
        let file = try OwnedFD.open(bundle.victim + "/file", O_RDONLY)
        let ended = try bundle.run(
            ["sleep", "0.1"], ["--preserve-fds", "2"], given: [file.raw, file.raw])
        #expect(ended.status == 0, "\(ended.errors)")
        for name in ["prestart", "createRuntime", "createContainer", "poststart", "poststop"] {
            let lines = try Files.text(bundle.victim + "/" + name).split(separator: "\n")
            // What the shell itself adds.
            let told = lines.filter { !$0.hasPrefix("PWD=") && !$0.hasPrefix("_=") }
            #expect(told == ["MINE=\(name)"], "\(name): \(lines)")
            // Its streams, and the directory that ls reads.
            let open = try Files.text(bundle.victim + "/" + name + ".open")
            #expect(open == "0\n1\n2\n3\n", "\(name)")
        }
    }

    /// CVE-2022-29162, CVE-2022-24769: a file's inheritable capabilities would come to any user.
    @Test(arguments: Runner.rootOnly)
    func noCapabilityIsInheritableUnlessItIsAskedFor(runner: Runner) throws {
        let bundle = try HostileBundle(runner)
        let grep = ["grep", "-E", "Cap(Inh|Amb)", "/proc/self/status"]
        let none = "CapInh:\t0000000000000000\nCapAmb:\t0000000000000000\n"
        #expect(try bundle.run(grep).output == none)
        let id = try bundle.startSleeping()
        #expect(try bundle.runtime(["exec", id] + grep).output == none)
        #expect(try bundle.runtime(["exec", "--cap", "CAP_KILL", id] + grep).output == none)
    }

    /// CVE-2017-5226: who has a controlling terminal can type into it.
    @Test(.enabled(if: Files.exists("/usr/bin/script")), arguments: [true, false])
    func theCallersTerminalIsNotTheContainers(hasOwnProcesses: Bool) throws {
        let bundle = try HostileBundle()
        if !hasOwnProcesses { bundle.spec.linux.namespaces.removeAll { $0.kind == .pid } }
        try bundle.image.write(
            "bin/probe", "#!/bin/sh\n(exec 3</dev/tty) 2>/dev/null && echo taken || echo none\n",
            mode: 0o755)
        let id = try bundle.startSleeping()
        // The command line gets a terminal to sit at.
        bundle.prefix = ["/bin/sh", "-c", "exec script -qec \"$*\" /dev/null", "sh"]
        #expect(try bundle.run(["probe"]).output == "none\r\n")
        #expect(try bundle.runtime("exec", id, "probe").output == "none\r\n")
    }

    /// CVE-2025-65105: a confinement that the machine does not have is not passed over.
    @Test func aConfinementThatDoesNotHoldIsAnError() throws {
        let bundle = try HostileBundle()
        for (field, change): (String, (inout ProcessSpec) -> Void) in [
            ("process.apparmorProfile", { $0.apparmorProfile = "nonesuch" }),
            ("process.selinuxLabel", { $0.selinuxLabel = "system_u:system_r:nonesuch_t:s0" }),
        ] {
            let clean = bundle.spec.process
            if var process = clean {
                change(&process)
                bundle.spec.process = process
            }
            let ended = try bundle.run("echo ran")
            #expect(ended.status == 1)
            #expect(ended.output.isEmpty)
            #expect(ended.errors.contains(field), "\(ended.errors)")
            bundle.spec.process = clean
        }
    }

    /// Hooks and pids that somebody else has written down for us: in /tmp, where the root is for lack of a better place.
    @Test(arguments: Runner.rootOnly)
    func aRootOfSomebodyElsesIsRefused(runner: Runner) throws {
        let bundle = try HostileBundle(runner)
        let state = bundle.folder.path + "/state"
        let id = try bundle.startSleeping()
        var hook = HookSpec(path: "/bin/sh")
        hook.args = ["sh", "-c", "touch \(bundle.victim)/made"]
        bundle.spec.hooks.poststop = [hook]
        let other = try bundle.startSleeping()
        bundle.spec.process?.args = ["true"]
        let new = try bundle.write()
        for (uid, mode) in [(UInt32(54321), mode_t(0o700)), (0, 0o777), (0, 0o1777)] {
            chown(state, uid, uid)
            chmod(state, mode)
            for words in [
                ["kill", id], ["delete", "--force", other], ["exec", id, "true"], ["state", id],
                ["run", new],
            ] {
                let ended = try bundle.runtime(words)
                #expect(ended.status != 0, "\(words)")
                #expect(ended.errors.contains("this user's alone"), "\(ended.errors)")
            }
        }
        chown(state, 0, 0)
        chmod(state, 0o700)
        #expect(try bundle.isVictimUntouched)
        #expect(try bundle.runtime("kill", id, "KILL").status == 0)
    }
}

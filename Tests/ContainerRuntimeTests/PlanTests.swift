import Testing

@testable import ContainerRuntime

/// The plan is data: what will be done, in which order, can be read before it is done.
@Suite struct PlanTests {
    static let root = HostFacts(
        inUserNamespace: false, canSetGroups: true, takesLayersOneByOne: true,
        readOnlyProc: ["sys"], maskedProc: [.init(name: "kcore", isDirectory: false)])
    static let user = HostFacts(
        inUserNamespace: true, canSetGroups: false, takesLayersOneByOne: true, readOnlyProc: [],
        maskedProc: [])

    private func lines(_ spec: ContainerSpec, _ host: HostFacts) -> [String] {
        lines(ContainerPlan(spec, on: host))
    }

    private func lines(_ plan: ContainerPlan) -> [String] {
        plan.steps.map {
            $0.description.split(separator: " ", omittingEmptySubsequences: true)
                .joined(separator: " ")
        }
    }

    @Test func aPlanReadsAsItIsDone() {
        var spec = ContainerSpec(root: .layers(["/l/base", "/l/top"]), arguments: ["run", "--it"])
        spec.mounts = [
            .init(source: "/data", destination: "/a/b", readOnly: true),
            .init(.tmpfs, destination: "/a", size: 4096),
        ]
        spec.cpus = [2, 3]
        spec.user = "worker"
        spec.workingDirectory = "/work"
        #expect(
            lines(spec, Self.root) == [
                "session of its own", "hostname martlet", "upper tmpfs",
                "root overlay of 2 layers: /l/base /l/top", "mount /proc", "read-only /proc/sys",
                "mask /proc/kcore", "mount /dev, /dev/pts, /dev/shm", "mount /sys, read-only",
                "tmpfs /a of 4096 bytes", "bind /data on /a/b, read-only",
                "directory /work, made where it is missing",
                "pivot_root and let the machine's tree go",
                "streams from the container's /dev/null", "cpus 2,3", "user worker",
                "capabilities "
                    + Capabilities.names(in: Capabilities.docker).joined(separator: " "),
                "directory /work", "no_new_privs", "pdeathsig SIGKILL with the launcher",
                "exec run --it",
            ])
    }

    /// Before what a user mounts: nothing that Martlet writes for a driver may land in a directory of the user's.
    @Test(arguments: [PlanTests.root, PlanTests.user])
    func devicesComeBeforeMountsAndAreSealed(host: HostFacts) throws {
        var spec = ContainerSpec(root: .layers(["/l"]), arguments: ["x"])
        spec.mounts = [.init(source: "/data", destination: "/etc")]
        spec.devices.nodes = [.init(path: "/dev/g", source: "/m/g", major: 1, minor: 5)]
        spec.devices.mounts = [.init("/m/lib/a", on: "/lib/a/b", options: ["ro"])]
        spec.devices.mounts.append(.init("/m/lib", on: "/lib", options: ["ro", "rbind"]))
        spec.devices.libraries = [.init("a.so.1", at: "/lib/a.so.1")]
        spec.devices.groups = [44]
        let lines = lines(spec, host)
        let begin = try #require(lines.firstIndex { $0.hasPrefix("mount /dev of its own") })
        let end = try #require(lines.firstIndex { $0.hasPrefix("bind /data") })
        let taken = host.inUserNamespace ? ["take /m/g"] : []
        #expect(
            Array(lines[begin..<end].dropFirst(2)) == taken + [
                "device /dev/g", "take /m/lib", "bind /m/lib on /lib", "take /m/lib/a",
                "bind /m/lib/a on /lib/a/b", "libraries a.so.1", "read-only /dev from here on",
            ])
        #expect(lines.contains("groups 44") != host.inUserNamespace)
    }

    @Test func ofAPrivilegedContainerNothingIsTaken() {
        var spec = ContainerSpec(root: .layers(["/l"]), arguments: ["run"])
        spec.isPrivileged = true
        var host = Self.root
        host.capabilities = Capabilities.mask(["chown", "sys_admin"])
        #expect(
            lines(spec, host)
                == [
                    "session of its own", "hostname martlet", "upper tmpfs",
                    "root overlay of 1 layers: /l", "mount /proc",
                    "mount /dev of the machine, with /dev/pts and /dev/shm of its own",
                    "mount /sys of the machine", "pivot_root and let the machine's tree go",
                    "keep capabilities over the change of user", "user root",
                    "capabilities bounding: "
                        + Capabilities.names(in: Capabilities.docker).joined(separator: " ")
                        + "; effective, permitted, inheritable: chown sys_admin; ambient:",
                    "directory /", "pdeathsig SIGKILL with the launcher", "exec run",
                ])
    }

    /// What stands between a filter and exec would have to be allowed by every profile.
    @Test func aFilterComesLastBeforeExec() throws {
        let filter = SeccompFilter(
            program: .init(repeating: 0, count: 16), flags: 0, unknown: [])
        var spec = ContainerSpec(root: .layers(["/l"]), arguments: ["run", "--it"])
        spec.withInit = true
        let steps = ContainerPlan(spec, on: Self.root, seccomp: filter).steps
        #expect(
            steps.suffix(5) == [
                .dieWithLauncher, .becomeInit, .lookUpProgram(["run", "--it"], []),
                .seccomp(filter), .exec(["run", "--it"], []),
            ])
        #expect("\(steps[steps.count - 2])" == "seccomp       a filter of 2 instructions")
    }

    /// Each pair is a rule: what stands first must be done first.
    @Test(arguments: [PlanTests.root, PlanTests.user])
    func theOrderKeepsItsPromises(host: HostFacts) throws {
        var spec = ContainerSpec(root: .layers(["/l"]), arguments: ["x"])
        spec.readOnlyRoot = true
        spec.withInit = true
        spec.mounts = [.init(source: "/data", destination: "/data")]
        let steps = ContainerPlan(spec, on: host, cgroups: ["/cg"]).steps
        func place(_ name: String) throws -> Int {
            try #require(steps.firstIndex { "\($0)".hasPrefix(name) }, "\(name)")
        }
        for (first, second) in [
            ("cgroup", "upper"), ("mount         /proc", "bind"),
            ("bind", "root          read-only"),
            ("root          read-only", "pivot_root"), ("bind", "pivot_root"),
            ("pivot_root", "user"), ("user", "capabilities"), ("capabilities", "directory"),
            ("user", "pdeathsig"), ("no_new_privs", "exec"), ("pdeathsig", "init"),
            ("init", "exec"),
        ] {
            #expect(try place(first) < place(second), "\(first) before \(second)")
        }
        #expect("\(steps.last.map { "\($0)" } ?? "")".hasPrefix("exec"))
    }

    @Test func aPrivateNetworkIsConnectedWhileTheMountsAreMade() throws {
        var spec = ContainerSpec(root: .layers(["/l"]), arguments: ["x"])
        spec.network = .private([.init(address: "127.0.0.1", hostPort: 0, containerPort: 80)])
        let lines = lines(spec, Self.root)
        #expect(
            lines[2...4] == [
                "network of its own", "loopback up",
                "network connected by pasta, 127.0.0.1:any -> 80",
            ])
        let connected = try #require(lines.firstIndex(of: "network connected from here on"))
        #expect(lines[connected - 1] == "pivot_root and let the machine's tree go")
    }

    @Test func anOrdinaryUsersPlanLeavesOutWhatOnlyRootNeeds() {
        let lines = lines(ContainerSpec(root: .layers(["/l"]), arguments: ["x"]), Self.user)
        #expect(lines.contains("root overlay of 1 layers (userxattr): /l"))
        #expect(!lines.contains { $0.hasPrefix("mask") || $0.hasPrefix("read-only") })
    }

    @Test func theMachinesOwnRootGetsItsOwnTemporaryDirectory() {
        let lines = lines(ContainerSpec(root: .host, arguments: ["x"]), Self.root)
        #expect(lines.contains("root the machine's own, read-only"))
        #expect(lines.contains("tmpfs /tmp"))
        #expect(lines.contains("mount /sys, read-only"))
        #expect(!lines.contains { $0.hasPrefix("upper") })
    }

    @Test func aProcessThatJoinsIsNeverSeenWithAnythingOfTheMachine() {
        var exec = ExecSpec(arguments: ["sh", "-l"])
        exec.terminal = TerminalSize(rows: 50, columns: 132)
        exec.identity = .named("worker")
        let target = ExecTarget(
            namespaces: Namespace.mount | Namespace.pid | Namespace.user, cgroups: ["/cg"],
            diesWithLauncher: true)
        #expect(
            lines(ContainerPlan(exec: exec, into: target)) == [
                "pdeathsig SIGKILL with the launcher", "cgroup /cg",
                "undumpable until exec: nobody in the container may look in",
                "close every descriptor but stdin, stdout and stderr", "join user mnt pid",
                "clone into the process namespace", "session of its own",
                "streams from the container's /dev/null", "terminal 132×50", "umask 022",
                "user worker",
                "capabilities "
                    + Capabilities.names(in: Capabilities.docker).joined(separator: " "),
                "directory /", "no_new_privs", "exec sh -l",
            ])
    }

    @Test func idsAndCapabilitySetsAreTakenAsTheyAre() {
        var exec = ExecSpec(arguments: ["x"])
        exec.identity = .ids(uid: 7, gid: 8, groups: [9, 10])
        exec.privileges = .sets(CapabilitySets(bounding: 1, permitted: 1))
        exec.noNewPrivileges = false
        let lines = lines(ContainerPlan(exec: exec, into: ExecTarget(namespaces: 0)))
        #expect(
            lines.suffix(6) == [
                "umask 022", "keep capabilities over the change of user", "ids 7:8 +9,10",
                "capabilities bounding, permitted: chown; effective, inheritable, ambient:",
                "directory /", "exec x",
            ])
        #expect(!lines.contains { $0.hasPrefix("clone") || $0.hasPrefix("pdeathsig") })
    }
}

import Glibc
import LinuxSystem
import Testing

@testable import ContainerRuntime

/// What killed launchers leave in a cgroup, and what looks like it.
struct CgroupSweepTests {
    /// One hierarchy in which this process may make cgroups; nil where there is none.
    private static let top: String? = {
        let host = CgroupHost.detect()
        let places = host.v1["pids"].map { [$0] } ?? []
        return (places + [host.unified].compactMap { $0 }).lazy.map { $0.mount + $0.own }
            .first { parent in
                let trial = parent + "/martlet-sweep-trial-\(getpid())"
                guard mkdir(trial, 0o755) == 0 else { return false }
                return rmdir(trial) == 0
            }
    }()

    private static func withParent(_ body: (String) throws -> Void) throws {
        let parent = try #require(top) + "/martlet-sweep-\(getpid())"
        try checkErrno(mkdir(parent, 0o755), "mkdir", parent)
        defer { remove(parent) }
        try body(parent)
    }

    private static func remove(_ directory: String) {
        for child in ContainerCgroup.children(of: directory) { remove(child) }
        rmdir(directory)
    }

    @discardableResult
    private static func make(_ parent: String, _ name: String) -> String {
        for part in ["", "/1", "/1/nested"] { mkdir(parent + "/" + name + part, 0o755) }
        return parent + "/" + name
    }

    /// Beyond every pid (PID_MAX_LIMIT), and no namespace's number.
    private static let (nobody, nowhere) = ("4194999", "4026000001")

    @Test(.enabled(if: top != nil, "no cgroups to make"))
    func whatIsNobodysGoesWithAllThatIsBeneathIt() throws {
        try Self.withParent { parent in
            let own = Cgroups.namespaceSuffix
            Self.make(parent, "martlet-\(Self.nobody)\(own)")
            Self.make(parent, "martlet-42-\(Self.nowhere)")
            // Its number is that of a process that is no launcher.
            Self.make(parent, "martlet-\(getppid())\(own)")
            let others = ["martlet.daemons", "martlet-test-7", "martlet-", "martlet-x", "other-1"]
            for name in others { Self.make(parent, name) }
            Cgroups.sweep(parent)
            let left = try Files.directoryNames(in: parent)
            #expect(Set(left) == Set(others))
        }
    }

    @Test(.enabled(if: top != nil, "no cgroups to make"))
    func whatIsHeldOrHasProcessesOrMayHaveStays() throws {
        try Self.withParent { parent in
            let held = Self.make(parent, "martlet-43-\(Self.nowhere)")
            let hold = try #require(Cgroups.Hold(held))
            let full = [
                Self.make(parent, "martlet-44-\(Self.nowhere)"),
                Self.make(parent, "martlet-\(Self.nobody)\(Cgroups.namespaceSuffix)"),
            ]
            let child = try Sleeper()
            let second = try Sleeper()
            for (directory, process) in zip(full, [child, second]) {
                try CgroupFile.write(directory + "/1/nested/cgroup.procs", "\(process.pid)")
            }
            // This process is of that namespace, so others may be.
            let seen = try #require(Cgroups.namespace(of: "self"))
            if Cgroups.namespaceSuffix.isEmpty { Self.make(parent, "martlet-45-\(seen)") }
            let before = try Files.directoryNames(in: parent)
            Cgroups.sweep(parent)
            let left = try Files.directoryNames(in: parent)
            #expect(Set(left) == Set(before))
            withExtendedLifetime(hold) {}

            // Each goes once what kept it has gone.
            for process in [child, second] { process.end() }
            #expect(
                eventually { full.allSatisfy { ContainerCgroup.processes(in: $0).isEmpty } })
        }
    }

    @Test(.enabled(if: top != nil, "no cgroups to make"))
    func whatTheLauncherBeforeHadElsewhereGoesByWhatItWroteDown() throws {
        try Self.withParent { parent in
            let folder = try Folder()
            let file = folder.path + "/launcher.cgroups"
            // The number is that of a launcher that may well live, in this namespace.
            let own = "martlet-\(getpid())\(Cgroups.namespaceSuffix)"
            mkdir(parent + "/session", 0o755)
            let before = Self.make(parent + "/session", own)
            let held = Self.make(parent, "martlet-47-\(Self.nowhere)")
            let other = Self.make(parent, "other")
            let hold = try #require(Cgroups.Hold(held))
            Cgroups.succeed(file, with: [before, held, other, parent + "/gone"])
            #expect([before, held, other].allSatisfy { Files.exists($0) })
            let next = Self.make(parent, "martlet-48-\(Self.nowhere)")
            Cgroups.succeed(file, with: [next])
            #expect(!Files.exists(before))
            #expect([held, other, next].allSatisfy { Files.exists($0) })
            withExtendedLifetime(hold) {}
            #expect(try Files.text(file) == next)
        }
    }

    @Test(.enabled(if: top != nil, "no cgroups to make"))
    func aHoldGoesWithItsHolder() throws {
        try Self.withParent { parent in
            let directory = Self.make(parent, "martlet-46-\(Self.nowhere)")
            do {
                let hold = try #require(Cgroups.Hold(directory))
                #expect(Cgroups.Hold(directory) == nil)
                Cgroups.sweep(parent)
                #expect(Files.exists(directory))
                withExtendedLifetime(hold) {}
            }
            Cgroups.sweep(parent)
            #expect(!Files.exists(directory))
        }
    }

    @Test(.enabled(if: top != nil && geteuid() == 0, "needs root, and cgroups"))
    func aKilledLaunchersCgroupsGoWithTheNextOne() throws {
        func bases(_ pid: pid_t) -> [String] {
            let host = CgroupHost.detect()
            let places = host.v1.values.map { $0.mount + $0.own } + [host.unified?.mount ?? "/x"]
            return places.flatMap { place in
                ["", "/martlet.daemons/.."].map {
                    "\(place)\($0)/martlet-\(pid)\(Cgroups.namespaceSuffix)"
                }
            }.filter { Files.exists($0) }
        }
        let launcher = try LauncherUnderTest(.root)
        let left = bases(launcher.pid)
        try #require(!left.isEmpty)
        #expect(left.allSatisfy { Cgroups.Hold($0) == nil }, "one that lives holds them")
        launcher.killLauncher()
        #expect(left.allSatisfy { Files.exists($0) })
        let next = try LauncherUnderTest(.root)
        #expect(left.allSatisfy { !Files.exists($0) })
        withExtendedLifetime(next) {}
    }
}

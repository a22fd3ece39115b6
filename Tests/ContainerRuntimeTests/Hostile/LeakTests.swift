import CLinux
import Glibc
import LinuxSystem
import Testing

@testable import ContainerRuntime

/// A launcher that has started thousands of containers, of which many failed at every step, holds what it held before.
@Suite(
    .enabled(if: TestImage.isPossible && Fault.isPossible, Fault.reason),
    .timeLimit(.minutes(LongTests.areRun ? 30 : 2)), .serialized)
struct LeakTests {
    /// What a launcher has of the machine.
    private struct Holdings: Equatable {
        let descriptors: Int
        let mounts: Int
        let cgroups: Int
        let processes: Int

        init(_ launcher: LauncherUnderTest) throws {
            // The greeting of the next connection comes after what was asked for on this one.
            _ = try launcher.reconnect()
            let own = "/proc/\(launcher.pid)"
            descriptors = try Files.names(in: own + "/fd").count
            mounts = try Files.text(own + "/mountinfo").split(separator: "\n").count
            processes = Launcher.descendants(of: launcher.pid).count
            let host = CgroupHost.detect()
            let hierarchies = Array(host.v1.values) + [host.unified].compactMap { $0 }
            cgroups = Set(hierarchies.map { $0.mount + $0.own }).reduce(0) { sum, place in
                let base = "\(place)/martlet-\(launcher.pid)"
                return sum + ((try? Files.directoryNames(in: base))?.count ?? 0)
            }
        }
    }

    private static let inFlight = 4

    private func spec(_ launcher: LauncherUnderTest) -> ContainerSpec {
        launcher.spec("sleep 9 & exec true") {
            $0.mounts = [
                .init(source: launcher.folder.path, destination: "/volume", readOnly: true),
                .init(.tmpfs, destination: "/scratch"),
                .init(.hostFile, source: "/etc/hostname", destination: "/etc/hostname"),
            ]
            $0.memoryLimit = 64 << 20
            $0.keepUpper = true
            $0.withInit = true
            $0.workingDirectory = "/work"
            $0.cpus = [0]
        }
    }

    /// Starts so many, a few at a time, some with a terminal. Returns how many started.
    private func start(_ count: Int, _ launcher: LauncherUnderTest) throws -> Int {
        var (begun, ended, succeeded) = (0, 0, 0)
        // A task would be hung up on without its own.
        var terminals: [String: Int32] = [:]
        while ended < count {
            while begun < count, begun - ended < Self.inFlight {
                var spec = spec(launcher)
                if begun % 5 == 0 { spec.terminal = TerminalSize() }
                try launcher.start(spec)
                begun += 1
            }
            let (event, descriptor) = try launcher.receive()
            guard case .exited(let exit) = event else {
                if case .started(let start) = event { terminals[start.id] = descriptor }
                continue
            }
            for fd in [descriptor, terminals.removeValue(forKey: exit.id)] {
                if let fd { close(fd) }
            }
            if exit.status == .code(0) { succeeded += 1 }
            try launcher.send(.acknowledge([exit.id]))
            ended += 1
            for name in ["out", "err"] { unlink("\(launcher.folder.path)/\(exit.id).\(name)") }
        }
        return succeeded
    }

    /// Runs `body` while this call fails in every child of the launcher, or in the launcher itself.
    private func with<T>(_ fault: Fault, in launcher: LauncherUnderTest, _ body: () throws -> T)
        throws -> T
    {
        let strace = try HostileBundle.spawn(fault.injecting + ["--attach=\(launcher.pid)"])
        func isTraced() -> Bool {
            let status = (try? Files.text("/proc/\(launcher.pid)/status")) ?? ""
            return !status.contains("TracerPid:\t0\n")
        }
        #expect(eventually(isTraced))
        defer {
            kill(strace, SIGTERM)
            var ended = cl_exit()
            cl_wait(strace, true, &ended)
            #expect(!isTraced())
        }
        return try body()
    }

    /// Namespaces that nobody sees any more, since a descriptor or a mount holds them, still count for their user namespace.
    private func limitNamespaces(of launcher: LauncherUnderTest) throws {
        let line = "for file in /proc/sys/user/max_*_namespaces; do echo 100 > $file; done"
        let nsenter = try HostileBundle.spawn(
            ["/usr/bin/nsenter", "--user", "--target", "\(launcher.pid)", "/bin/sh", "-ec", line])
        var ended = cl_exit()
        cl_wait(nsenter, true, &ended)
        #expect(ended.code == 0)
    }

    @Test(arguments: Runner.possible)
    func nothingIsLeftOfContainersThatRanAndThatFailed(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        try launcher.image.write("etc/hostname", "image\n")
        if runner == .ordinaryUser { try limitNamespaces(of: launcher) }
        let log = launcher.folder.path + "/calls"
        let faults = try findFaults(launcher, log)
        #expect(try start(4 * Self.inFlight, launcher) == 4 * Self.inFlight)
        let before = try Holdings(launcher)
        let total = LongTests.areRun ? 10_000 : 200
        let each = total / 2 / faults.count + 1
        var failed = 0
        for fault in faults {
            failed += each - (try with(fault, in: launcher) { try start(each, launcher) })
        }
        // Most calls cannot be done without.
        #expect(failed > total / 4)
        #expect(try start(total / 2, launcher) == total / 2)
        let after = try Holdings(launcher)
        #expect(after == before, "\(after), not \(before)")
    }

    /// The calls of one start.
    private func findFaults(_ launcher: LauncherUnderTest, _ log: String) throws -> [Fault] {
        let strace = try HostileBundle.spawn(
            Fault.watching(to: log) + ["--attach=\(launcher.pid)"])
        #expect(
            eventually {
                ((try? Files.text("/proc/\(launcher.pid)/status")) ?? "").contains(
                    "TracerPid:\t\(strace)\n")
            })
        _ = try start(1, launcher)
        kill(strace, SIGTERM)
        var ended = cl_exit()
        cl_wait(strace, true, &ended)
        // Without those it loses its agent, and not a start.
        return try Fault.all(in: log, most: LongTests.areRun ? 10_000 : 20).filter {
            !["sendmsg", "recvmsg"].contains($0.call)
        }
    }
}

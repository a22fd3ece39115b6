import CLinux
import Glibc
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// Whatever call of a container's setup fails, the command line says so and leaves nothing behind.
@Suite(
    .enabled(if: TestImage.isPossible && Fault.isPossible, Fault.reason),
    .timeLimit(.minutes(LongTests.areRun ? 10 : 2)))
struct FailingStepTests {
    private static let most = LongTests.areRun ? 10_000 : 20

    /// With something of everything that a plan can hold.
    private func bundle(_ runner: Runner) throws -> HostileBundle {
        let bundle = try HostileBundle(runner)
        try Files.makeDirectories(bundle.image.path + "/etc/filled")
        chown(bundle.image.path + "/etc/filled", runner.uid, runner.uid)
        bundle.mount("/volume", "bind", bundle.victim, ["rbind", "rro", "rslave"])
        bundle.mount("/etc/filled", "tmpfs", "tmpfs", ["tmpcopyup"])
        if runner == .root {
            bundle.spec.linux.sysctl = ["net.ipv4.ip_forward": "0"]
            var device = DeviceSpec(kind: .character, path: "/dev/own", major: 1, minor: 3)
            device.uid = 7
            bundle.spec.linux.devices = [device]
        }
        bundle.spec.hooks.createContainer = [HookSpec(path: "/bin/true")]
        bundle.spec.process?.oomScoreAdj = 100
        bundle.spec.root?.readonly = true
        return bundle
    }

    private func expectTold(_ ended: HostileBundle.Outcome, status: Int32, _ fault: Fault) {
        // What makes this process an ordinary user's has calls, too.
        if ended.errors.hasPrefix("setpriv:") { return }
        let isTold = ended.status == status && ended.output == "" && ended.errors != ""
        // Some calls are dispensable.
        #expect(
            isTold || ended.status == 0 && ended.output == "ran\n",
            "\(fault): \(ended.status) \(ended.output) \(ended.errors)")
    }

    @Test(arguments: Runner.possible)
    func aRunThatFailsAnywhereLeavesNothing(runner: Runner) throws {
        let bundle = try bundle(runner)
        let log = bundle.folder.path + "/calls"
        bundle.prefix = Fault.watching(to: log)
        #expect(try bundle.run("echo ran").output == "ran\n")
        let faults = try Fault.all(in: log, most: Self.most)
        #expect(faults.count >= 15)
        for fault in faults {
            bundle.prefix = fault.injecting
            let ended = try bundle.run("echo ran")
            expectTold(ended, status: 1, fault)
            #expect(try bundle.left == [], "\(fault): \(ended.errors)")
        }
    }

    @Test(arguments: Runner.possible)
    func anExecThatFailsAnywhereLeavesItsContainerAsItWas(runner: Runner) throws {
        let bundle = try bundle(runner)
        let id = try bundle.startSleeping()
        let exec = ["exec", id, "sh", "-c", "echo ran"]
        let before = try bundle.left
        let log = bundle.folder.path + "/calls"
        bundle.prefix = Fault.watching(to: log)
        #expect(try bundle.runtime(exec).output == "ran\n")
        for fault in try Fault.all(in: log, most: Self.most) {
            bundle.prefix = fault.injecting
            let ended = try bundle.runtime(exec)
            expectTold(ended, status: 255, fault)
            #expect(try bundle.left == before, "\(fault): \(ended.errors)")
        }
        bundle.prefix = []
        let list = "for file in /proc/[0-9]*/comm; do read name < $file; echo $name; done"
        let last = try bundle.runtime("exec", id, "sh", "-c", list)
        #expect(last.output == "sleep\nsh\n")
    }
}

extension HostileBundle {
    /// What is there of its containers: their records, cgroups, mounts and processes.
    var left: [String] {
        get throws {
            let state = folder.path + "/state"
            let records = try Files.names(in: state).filter { $0 != ".seccomp" }
            let cgroups = CgroupHost.detect()
            let places = (Array(cgroups.v1.values) + [cgroups.unified].compactMap { $0 }).map {
                $0.mount + $0.own
            }
            let groups = try Set(places).flatMap { place in
                try Files.directoryNames(in: place).filter { $0.hasPrefix(Self.idPrefix) }
                    .map { place + "/" + $0 }
            }
            let mounts = try Files.text("/proc/self/mountinfo").split(separator: "\n").filter {
                $0.contains(folder.path)
            }
            let processes = try Files.names(in: "/proc").filter {
                // It may have just ended.
                (try? Files.text("/proc/\($0)/cmdline"))?.contains(folder.path) == true
            }
            return (records + groups + mounts.map(String.init) + processes).sorted()
        }
    }
}

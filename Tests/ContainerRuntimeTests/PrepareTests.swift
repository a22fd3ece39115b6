import Glibc
import LinuxSystem
import Testing

@testable import ContainerRuntime

/// Containers that are set up before their time.
@Suite(.enabled(if: TestImage.isPossible, TestImage.reason), .timeLimit(.minutes(1)))
struct PrepareTests {
    /// Returns once its child waits, or has failed.
    private static func prepare(
        _ launcher: LauncherUnderTest, _ spec: ContainerSpec, _ rule: StopRule = StopRule()
    ) throws -> String {
        let former = Set(Launcher.descendants(of: launcher.pid))
        let id = try launcher.prepare(spec, rule)
        #expect(
            eventually {
                let new = Set(Launcher.descendants(of: launcher.pid)).subtracting(former)
                return new.allSatisfy(Self.waits) && launcher.isAsleep
            })
        return id
    }

    /// For a word of the launcher's.
    private static func waits(_ pid: pid_t) -> Bool {
        let place = (try? Files.text("/proc/\(pid)/wchan")) ?? ""
        return ["wait_for_more_packets", "do_sigtimedwait"].contains(where: place.contains)
            || place == "0"
    }

    @Test(arguments: Runner.possible, [false, true])
    func nothingRunsBeforeTheRelease(runner: Runner, withInit: Bool) throws {
        let launcher = try LauncherUnderTest(runner)
        let id = try Self.prepare(launcher, launcher.spec("echo ran") { $0.withInit = withInit })
        #expect(!Launcher.descendants(of: launcher.pid).isEmpty)
        // The launcher answers in order: this one begins and ends, and the other has said nothing.
        let before = try launcher.run(launcher.spec("true"))
        #expect(try launcher.output(id) == "")
        try launcher.send(.release(id: id, StopRule()))
        let start = try launcher.awaitStart(id)
        #expect(start.at >= before.exit.ended, "a start is when the program begins")
        let ended = try launcher.finish(id)
        #expect(ended.output == "ran\n" && ended.exit.status == .code(0))
        #expect(ended.exit.started == start.at)
        #expect(ended.exit.ended <= Clock.now(), "what it waited for is none of its time")
        #expect(Launcher.descendants(of: launcher.pid).isEmpty)
    }

    @Test(arguments: Runner.possible)
    func itsTimeBeginsWithTheReleaseAndIsWhatThatSays(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let early = StopRule(timeLimit: 1, grace: 0)
        let id = try Self.prepare(launcher, launcher.spec("echo ran; sleep 60"), early)
        _ = try launcher.run(launcher.spec("sleep 0.1"))
        try launcher.send(.release(id: id, StopRule(timeLimit: 700, grace: 0)))
        let ended = try launcher.finish(id)
        #expect(ended.exit.timedOut && ended.output == "ran\n")
        #expect(ended.exit.ended - ended.exit.started >= 700)
    }

    @Test(arguments: Runner.possible)
    func aDiscardedOneLeavesNothingAndItsNameIsFree(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let descriptors = { try Files.names(in: "/proc/\(launcher.pid)/fd").count }
        _ = try launcher.run(launcher.spec("true"))
        let before = try descriptors()
        let id = try Self.prepare(launcher, launcher.spec("echo ran"))
        #expect(try descriptors() > before)
        try launcher.send(.discard(id: id))
        // At once, while the former child may still be ending.
        try launcher.startAgain(id, launcher.spec("echo again"))
        let ended = try launcher.finish(id)
        #expect(ended.output == "again\n" && ended.exit.status == .code(0))
        #expect(eventually { Launcher.descendants(of: launcher.pid).isEmpty })
        #expect(try descriptors() == before)
        // Not to be told twice, and none that was never asked for.
        try launcher.send(.release(id: id, StopRule()))
        try launcher.send(.discard(id: id))
        _ = try launcher.run(launcher.spec("true"))
    }

    @Test(arguments: Runner.possible)
    func anotherAgentFindsNoneOfThem(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let id = try Self.prepare(launcher, launcher.spec("echo ran"))
        guard case .hello(_, let running, let exited, let skills) = try launcher.reconnect() else {
            Issue.record("no hello")
            return
        }
        #expect(running.isEmpty && exited.isEmpty && skills >= 2)
        #expect(eventually { Launcher.descendants(of: launcher.pid).isEmpty })
        try launcher.startAgain(id, launcher.spec("echo anew"))
        #expect(try launcher.finish(id).output == "anew\n")
    }

    @Test(arguments: Runner.possible)
    func whatAnEarlierTaskMakesIsThere(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let shared = launcher.folder.path + "/shared"
        try Files.makeDirectories(shared)
        chown(shared, runner.uid, runner.uid)
        let mount = ContainerSpec.Mount(source: shared, destination: "/shared")
        // Its directory is missing when it is prepared.
        let id = try Self.prepare(
            launcher,
            launcher.spec("pwd") {
                $0.mounts = [mount]
                $0.workingDirectory = "/shared/made"
                $0.arguments = ["/shared/made/program"]
            })
        let earlier = try launcher.run(
            launcher.spec(
                "mkdir /shared/made; printf '#!/bin/sh\\npwd\\n' > /shared/made/program; chmod 755 /shared/made/program"
            ) { $0.mounts = [mount] })
        #expect(earlier.exit.status == .code(0), "\(earlier.errors)")
        try launcher.send(.release(id: id, StopRule()))
        let ended = try launcher.finish(id)
        #expect(ended.output == "/shared/made\n", "\(ended.exit.status) \(ended.errors)")
    }

    @Test(arguments: Runner.possible)
    func aMountThatWasReplacedIsTheNewOne(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let folder = launcher.folder.path + "/data"
        func fill(_ text: String) throws {
            try Files.makeDirectories(folder)
            try Files.writeAtomically(
                folder + "/file", Array(text.utf8), mode: 0o644, durable: false)
        }
        try fill("old")
        let id = try Self.prepare(
            launcher,
            launcher.spec("cat /data/file") {
                $0.mounts = [.init(source: folder, destination: "/data", readOnly: true)]
            })
        rename(folder, folder + ".old")
        try fill("new")
        try launcher.send(.release(id: id, StopRule()))
        #expect(try launcher.finish(id).output == "new")
    }

    @Test(arguments: Runner.possible)
    func whatFailsIsToldWhenItIsReleasedAndOnce(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let id = try Self.prepare(
            launcher,
            launcher.spec("true") {
                $0.mounts = [.init(source: "/nowhere/at/all", destination: "/data")]
            })
        _ = try launcher.run(launcher.spec("true"))
        try launcher.send(.release(id: id, StopRule()))
        guard case .startFailure(_, let subject, ENOENT) = try launcher.finish(id).exit.status
        else {
            Issue.record("it should have failed to start")
            return
        }
        #expect(subject.contains("/nowhere/at/all"))
        let missing = try Self.prepare(
            launcher, launcher.spec("") { $0.arguments = ["no-such-program"] })
        try launcher.send(.release(id: missing, StopRule()))
        guard case .startFailure(_, _, ENOENT) = try launcher.finish(missing).exit.status else {
            Issue.record("it should have failed to start")
            return
        }
        guard case .hello(_, _, let exited, _) = try launcher.reconnect() else { return }
        #expect(exited.isEmpty, "all were told once, and acknowledged")
    }

    @Test(arguments: Runner.possible)
    func theyEndWithTheirLauncher(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        _ = try Self.prepare(launcher, launcher.spec("echo ran"))
        let children = Launcher.descendants(of: launcher.pid)
        #expect(!children.isEmpty)
        launcher.killLauncher()
        #expect(eventually { children.allSatisfy { kill($0, 0) != 0 || LifeTests.isZombie($0) } })
        try launcher.startAgain()
        _ = try Self.prepare(launcher, launcher.spec("echo ran"))
        try launcher.send(.shutdown)
        #expect(throws: SystemError.self) { while true { _ = try launcher.receive() } }
    }
}

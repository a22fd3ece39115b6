import Glibc
import LinuxSystem
import Testing

@testable import ContainerRuntime

/// Containers that stand still, and their time with them.
@Suite struct PauseTests {
    /// Writes a line whenever it goes on.
    private static let counter = "while :; do echo x; sleep 0.02; done"

    /// Lines that were written so far.
    private static func lines(_ launcher: LauncherUnderTest, _ id: String) throws -> Int {
        try launcher.output(id).utf8.count / 2
    }

    private static func awaitLines(_ launcher: LauncherUnderTest, _ id: String, above count: Int)
        throws
    {
        let deadline = Clock.monotonic() + 10_000
        while try lines(launcher, id) <= count, Clock.monotonic() < deadline { usleep(5000) }
        #expect(try lines(launcher, id) > count)
    }

    @Test(arguments: Runner.possible)
    func aPausedTreeStandsStillAndGoesOn(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        // A child of a child, so that more than PID 1 has to stop.
        let id = try launcher.start(
            launcher.spec("sh -c '\(Self.counter)' & wait"), StopRule(grace: 2000))
        try launcher.awaitStart(id)
        try Self.awaitLines(launcher, id, above: 2)
        try launcher.send(.pause(id: id))
        // The launcher answers in order: when this one has ended, the other stands still.
        _ = try launcher.run(launcher.spec("true"))
        let before = try Self.lines(launcher, id)
        for _ in 0..<3 { _ = try launcher.run(launcher.spec("sleep 0.1")) }
        #expect(try Self.lines(launcher, id) <= before + 1, "one may have been under way")
        try launcher.send(.resume(id: id))
        try Self.awaitLines(launcher, id, above: before + 2)
        try launcher.send(.stop(id: id))
        #expect(try launcher.finish(id).exit.stopped)
    }

    @Test(arguments: Runner.possible)
    func aPausedContainerCanBeStopped(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let id = try launcher.start(
            launcher.spec("trap 'echo asked; exit 3' TERM; echo up; while :; do sleep 0.02; done"),
            StopRule(grace: 8000))
        try launcher.awaitStart(id)
        let deadline = Clock.monotonic() + 10_000
        while try launcher.output(id) != "up\n", Clock.monotonic() < deadline { usleep(5000) }
        try launcher.send(.pause(id: id))
        try launcher.send(.stop(id: id))
        let ended = try launcher.finish(id)
        #expect(ended.exit.status == .code(3) && ended.output == "up\nasked\n")
    }

    @Test(arguments: Runner.possible)
    func timeStandsStillWhilePaused(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let id = try launcher.start(
            launcher.spec("while :; do sleep 0.02; done"), StopRule(timeLimit: 600, grace: 100))
        try launcher.awaitStart(id)
        try launcher.send(.pause(id: id))
        for _ in 0..<4 { _ = try launcher.run(launcher.spec("sleep 0.3")) }
        try launcher.send(.resume(id: id))
        let exit = try launcher.finish(id).exit
        #expect(exit.timedOut && exit.ended - exit.started > 1200)
    }

    @Test(arguments: Runner.possible)
    func aLimitCanBeSetAndTakenAway(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let spec = launcher.spec("while :; do sleep 0.02; done")
        let short = try launcher.start(spec, StopRule(grace: 100))
        try launcher.awaitStart(short)
        try launcher.send(.limit(id: short, 1))
        #expect(try launcher.finish(short).exit.timedOut)
        let long = try launcher.start(
            launcher.spec("sleep 0.6; echo done"), StopRule(timeLimit: 400, grace: 100))
        try launcher.awaitStart(long)
        try launcher.send(.limit(id: long, nil))
        let ended = try launcher.finish(long)
        #expect(ended.output == "done\n" && !ended.exit.timedOut)
    }

    @Test func aHelloOfAnOlderLauncherHasNoSkills() throws {
        let bytes = LauncherEvent.hello(epoch: "e", running: [], exited: []).bytes
        for (told, expected) in zip([bytes[...], bytes.dropLast()], [2, 0] as [UInt8]) {
            guard case .hello(_, _, _, let skills) = try LauncherEvent(told) else {
                Issue.record("no hello")
                return
            }
            #expect(skills == expected)
        }
    }
}

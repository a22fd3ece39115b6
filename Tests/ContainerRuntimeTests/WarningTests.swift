import Glibc
import Testing

@testable import ContainerRuntime

/// A signal before the time limit: what has an end is to save what it has.
@Suite struct WarningTests {
    private static let rule = StopRule(
        timeLimit: 30_000, signal: SIGUSR1, grace: 5_000, before: 29_600)

    @Test(arguments: Runner.possible)
    func theSignalComesBeforeTheLimit(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let saved = try launcher.run(
            launcher.spec("trap 'echo saved; exit 85' USR1; while :; do sleep 0.02; done"),
            Self.rule)
        #expect(saved.exit.status == .code(85) && saved.output == "saved\n")
        #expect(saved.exit.timedOut, "it had no time left")
        #expect(!saved.exit.stopped)
    }

    @Test(arguments: Runner.possible)
    func whoSucceedsAfterItHasSucceeded(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let done = try launcher.run(
            launcher.spec("trap 'exit 0' USR1; while :; do sleep 0.02; done"), Self.rule)
        #expect(done.exit.status == .code(0) && !done.exit.timedOut)
    }

    @Test(arguments: Runner.possible)
    func theLimitItselfStillHolds(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let ended = try launcher.run(
            launcher.spec("trap 'echo asked' USR1; while :; do sleep 0.02; done"),
            StopRule(timeLimit: 800, signal: SIGUSR1, grace: 100, before: 400))
        #expect(ended.exit.status == .signal(SIGKILL) && ended.exit.timedOut)
        #expect(ended.output == "asked\nasked\n")
    }

    @Test func anAgentThatKnowsNoWarningIsUnderstood() throws {
        var spec = ContainerSpec(root: .host, arguments: ["true"])
        spec.workingDirectory = "/"
        let rule = StopRule(timeLimit: 5, signal: 15, grace: 7)
        let bytes = LauncherRequest.start(id: "1_0.1", spec, rule).bytes
        // Without the byte that says that there is none.
        for told in [bytes[...], bytes.dropLast()] {
            guard case .start(_, _, let read) = try LauncherRequest(told) else {
                Issue.record("no start")
                return
            }
            #expect(read == rule)
        }
    }
}

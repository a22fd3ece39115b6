import Foundation
import JobModel
import LinuxSystem
import NodeLink
import Synchronization
import Testing

@Suite(
    .enabled(if: AgentUnderTest.obstacle == nil, "needs built executables and mount namespaces"),
    .serialized)
struct AgentRunTests {
    @Test func runsATaskAndReportsWhatItLeft() async throws {
        let agent = try AgentUnderTest()
        let head = try TestHead(agent)
        #expect(try await eventually { head.isConnected })
        let id = attempt(1, 3, 2)
        let point = Point([.init(name: "lr", value: .double(0.5))])
        head.run(
            agent.template {
                $0.command = [
                    "/bin/sh", "-c",
                    "echo out {lr} $MARTLET_PARAM_LR $SLURM_ARRAY_TASK_ID; echo err >&2; "
                        + "echo '{\"loss\": 2}' >> $MARTLET_METRICS; echo '{\"loss\": 1.5}' >> $MARTLET_METRICS; "
                        + "echo kept > $MARTLET_RESULTS/file; exit 7",
                ]
            }, [task(id, point: point)])
        #expect(try await eventually { head.exit(id) != nil })
        let record = try #require(head.exit(id))
        #expect(record.status == .code(7))
        #expect(record.metrics == ["loss": 1.5])
        #expect(record.started != nil)
        #expect(try agent.output(id) == "out 0.5 0.5 3\n")
        #expect(try agent.output(id, "stderr") == "err\n")
        #expect(try agent.output(id, "results/file") == "kept\n")
        #expect(try agent.output(id, "exit.json").contains("\"attempt\":\"1_3.2\""))
    }

    /// A multiple of the median is known once others have ended.
    @Test func aTaskIsWarnedOfALimitThatItsNodeLearnsOfWhileItRuns() async throws {
        let agent = try AgentUnderTest()
        let head = try TestHead(agent)
        #expect(try await eventually { head.isConnected })
        let id = attempt(1, 0)
        let template = agent.template {
            $0.stop = StopPolicy(signal: SIGUSR1, grace: 5000, before: 29_999_000)
            $0.command = [
                "/bin/sh", "-c", "trap 'echo saved; exit 85' USR1; while :; do sleep 0.02; done",
            ]
        }
        head.run(template, [task(id)])
        #expect(try await eventually { head.state.withLock { $0.started[id] != nil } })
        var known = task(id)
        known.time = 30_000_000
        head.run(template, [known])
        #expect(try await eventually { head.exit(id) != nil })
        let record = try #require(head.exit(id))
        #expect(record.status == .code(85) && record.timedOut)
        #expect(try agent.output(id) == "saved\n")
    }
}

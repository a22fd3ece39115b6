import Foundation
import JobModel
import LinuxSystem
import NodeLink
import Synchronization
import Testing

/// Whose an agent is: one head's at a time, for as long as it has tasks there and its lease runs.
@Suite(
    .enabled(if: AgentUnderTest.obstacle == nil, "needs built executables and mount namespaces"),
    .serialized)
struct AgentHeadsTests {
    private static let bert = HeadHello(head: "b", name: "bert@desk")

    private static func anna(lease: Int64? = nil, epoch: Int64? = nil) -> HeadHello {
        HeadHello(head: "a", name: "anna@laptop", lease: lease, epoch: epoch)
    }

    /// Anna's, with one task that runs; the text of `marker` says that it does.
    private static func agent(lease: Int64? = nil) async throws -> (AgentUnderTest, TestHead) {
        let agent = try AgentUnderTest()
        let marker = try agent.folder.write("marker", "")
        let anna = try TestHead(agent, hello: anna(lease: lease))
        #expect(try await eventually { anna.isConnected })
        anna.run(
            agent.template {
                $0.mounts = [Mount(source: marker, destination: marker)]
                $0.command = ["/bin/sh", "-c", "echo begun > \(marker); exec sleep 1000"]
            }, [task(attempt())])
        #expect(try await eventually { try agent.folder.text("marker") == "begun\n" })
        return (agent, anna)
    }

    private static func refusal(_ head: TestHead) -> String {
        head.state.withLock { $0.disconnects.last ?? "" }
    }

    @Test func aHeadWithTasksHereIsNamedToAnother() async throws {
        let (agent, anna) = try await Self.agent()
        let bert = try TestHead(agent, hello: Self.bert)
        #expect(try await eventually { Self.refusal(bert).contains("anna@laptop, which is conn") })
        anna.close()
        #expect(
            try await eventually { Self.refusal(bert).contains("anna@laptop, which has 1 task") })
        #expect(Self.refusal(bert).contains("--take-over"))
        // An agent that has just been started knows it, too.
        if let pid = agent.agentPID { kill(pid, SIGKILL) }
        let before = bert.state.withLock { $0.disconnects.count }
        #expect(try await eventually { bert.state.withLock { $0.disconnects.count } > before + 2 })
        #expect(!bert.isConnected)
        bert.close()
        // And the task is none the worse for it.
        let again = try TestHead(agent, hello: Self.anna())
        #expect(try await eventually { again.isConnected })
        #expect(again.state.withLock { $0.hellos.last?.accepted } == [attempt()])
    }

    @Test func whoeverInsistsFindsTheNodeEmptyAndTheFormerOnesTasksEnded() async throws {
        let (agent, anna) = try await Self.agent()
        anna.close()
        var insisting = Self.bert
        insisting.takesOver = true
        let bert = try TestHead(agent, hello: insisting)
        #expect(try await eventually { bert.isConnected })
        let hello = try #require(bert.state.withLock { $0.hellos.last })
        #expect(hello.accepted.isEmpty && hello.exited.isEmpty && hello.started.isEmpty)
        // The same number is a new task now.
        bert.run(agent.template { $0.command = ["/bin/sh", "-c", "exit 3"] }, [task(attempt())])
        #expect(try await eventually { bert.exit(attempt())?.status == .code(3) })
    }

    @Test func anIdleNodeIsAnybodys() async throws {
        let agent = try AgentUnderTest()
        let anna = try TestHead(agent, hello: Self.anna())
        #expect(try await eventually { anna.isConnected })
        anna.close()
        let bert = try TestHead(agent, hello: Self.bert)
        #expect(try await eventually { bert.isConnected })
    }

    @Test func tasksOfAHeadThatIsSilentForLongerThanItsLeaseAreLost() async throws {
        let (agent, anna) = try await Self.agent(lease: 400)
        // While it speaks nothing ends, however long the task runs.
        try await Task.sleep(for: .milliseconds(100))
        #expect(anna.exit(attempt()) == nil)
        anna.close()
        #expect(
            try await eventually {
                agent.launcherPID.map { pid in
                    ((try? Files.text("/proc/\(pid)/task/\(pid)/children")) ?? "").isEmpty
                } ?? false
            }, "the task runs on")
        let again = try TestHead(agent, hello: Self.anna(lease: 400))
        #expect(try await eventually { again.exit(attempt()) != nil })
        guard case .lost? = again.exit(attempt())?.status else {
            Issue.record("\(String(describing: again.exit(attempt())?.status))")
            return
        }
    }

    @Test func theLeaseOfAConnectedHeadDoesNotRunOut() async throws {
        // Shorter than the pause between two heartbeats would end it.
        let (_, anna) = try await Self.agent(lease: Heartbeat.interval + 1000)
        try await Task.sleep(for: .milliseconds(Heartbeat.interval + 2500))
        #expect(anna.isConnected && anna.exit(attempt()) == nil)
    }

    @Test func aFormerProcessOfTheSameHeadDoesNotDisplaceTheNewOne() async throws {
        let agent = try AgentUnderTest()
        let new = try TestHead(agent, hello: Self.anna(epoch: 7))
        #expect(try await eventually { new.isConnected })
        let old = try TestHead(agent, hello: Self.anna(epoch: 6))
        #expect(try await eventually { Self.refusal(old).contains("a newer server") })
        old.close()
        #expect(new.isConnected && new.state.withLock { $0.disconnects.isEmpty })
        let newer = try TestHead(agent, hello: Self.anna(epoch: 8))
        #expect(try await eventually { newer.isConnected })
    }

    @Test func aNodeSaysWhatItsSystemIs() async throws {
        let agent = try AgentUnderTest()
        let head = try TestHead(agent)
        #expect(try await eventually { head.isConnected })
        let hello = try #require(head.state.withLock { $0.hellos.last })
        let facts = try #require(hello.inventory.facts)
        let kernel = try Files.text("/proc/sys/kernel/osrelease")
        #expect(facts.kernel == kernel.trimmingCharacters(in: .whitespacesAndNewlines))
        #expect(facts.uid == getuid())
        #expect((facts.freeDisk ?? 0) > 0 && facts.fileSystem != nil)
        let clock = try #require(hello.clock)
        #expect(abs(clock.milliseconds - Clock.now()) < 60_000)
    }
}

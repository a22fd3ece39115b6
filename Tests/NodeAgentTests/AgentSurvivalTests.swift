import Foundation
import JobModel
import LinuxSystem
import NodeLink
import Synchronization
import Testing

@Suite(
    .enabled(if: AgentUnderTest.obstacle == nil, "needs built executables and mount namespaces"),
    .serialized)
struct AgentSurvivalTests {
    /// Each task says in a file of its own when it begins and when it ends, so that nothing has to be believed.
    private static func witness(_ agent: AgentUnderTest) throws -> JobTemplate {
        let folder = agent.folder.path + "/witness"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true)
        return agent.template {
            $0.mounts = [Mount(source: folder, destination: folder)]
            $0.command = [
                "/bin/sh", "-c",
                "echo begun $MARTLET_ATTEMPT >> \(folder)/$MARTLET_TASK_INDEX; sleep 0.0$((MARTLET_TASK_INDEX % 7)); "
                    + "echo done $MARTLET_ATTEMPT >> \(folder)/$MARTLET_TASK_INDEX; exit $((MARTLET_TASK_INDEX % 3))",
            ]
        }
    }

    /// What the tasks say against what the head was told.
    private static func check(_ agent: AgentUnderTest, _ head: TestHead, count: Int) throws {
        let state = head.state.withLock { $0 }
        for index in 0..<count {
            let lines = try agent.folder.text("witness/\(index)").split(separator: "\n")
            let begun = lines.filter { $0.hasPrefix("begun") }
            #expect(Set(begun).count == begun.count, "task \(index) ran twice in one attempt")
            for line in begun {
                let id = attempt(1, index, try #require(Int(line.dropFirst(6))))
                #expect(
                    !state.neverStarted.contains(id), "\(id) ran, and was given up as not started")
                let isDone = lines.contains("done \(id.number)")
                switch state.exited[id]?.last?.status {
                case .code(let code):
                    #expect(code == index % 3)
                    #expect(isDone, "\(id) was reported as ended and had not")
                case .lost, nil: #expect(state.lost.contains(id), "\(id) has no record")
                case let status: Issue.record("\(id) ended as \(String(describing: status))")
                }
            }
            let last = try #require(state.dispatched[TaskID(job: JobID(1), index: index)]).attempt
            #expect(state.exited[last]?.last?.status == .code(Int32(index % 3)))
            // Told more than once is right, told differently is not.
            #expect(Set(state.exited[last] ?? []).count == 1)
        }
    }

    private static func allEnded(_ head: TestHead) -> Bool {
        head.state.withLock { state in
            state.dispatched.values.allSatisfy { task in
                if case .code = state.exited[task.attempt]?.last?.status { true } else { false }
            }
        }
    }

    /// All at once, or one after the other on one CPU, where the next is set up ahead.
    private static let places: [[Int]] = [[], [0]]

    @Test(arguments: 1...3 as ClosedRange<UInt64>, places)
    func aKilledAgentLosesNothingAndRunsNothingTwice(seed: UInt64, cpus: [Int]) async throws {
        let agent = try AgentUnderTest()
        let head = try TestHead(agent)
        var random = Seeded(seed)
        #expect(try await eventually { head.isConnected })
        head.run(try Self.witness(agent), (0..<120).map { task(attempt(1, $0), cpus: cpus) })
        var kills = 0
        while !Self.allEnded(head), kills < 12 {
            try await Task.sleep(for: .milliseconds(Int.random(in: 0...60, using: &random)))
            if let pid = agent.agentPID, kill(pid, SIGKILL) == 0 { kills += 1 }
        }
        #expect(try await eventually { Self.allEnded(head) })
        #expect(kills > 0)
        #expect(head.state.withLock { $0.lost.isEmpty })
        try Self.check(agent, head, count: 120)
    }

    @Test(arguments: 1...3 as ClosedRange<UInt64>, places)
    func aKilledLaunchersTasksAreLostAndNeverASuccess(seed: UInt64, cpus: [Int]) async throws {
        let agent = try AgentUnderTest()
        let head = try TestHead(agent)
        head.state.withLock { $0.retriesLost = true }
        var random = Seeded(seed)
        #expect(try await eventually { head.isConnected })
        head.run(try Self.witness(agent), (0..<120).map { task(attempt(1, $0), cpus: cpus) })
        var kills = 0
        while !Self.allEnded(head), kills < 8 {
            try await Task.sleep(for: .milliseconds(Int.random(in: 0...60, using: &random)))
            // Now and then both at once: what the one wrote down the other's successor has to read.
            let locks = kills % 3 == 2 ? ["launcher.lock", "agent.lock"] : ["launcher.lock"]
            for pid in locks.compactMap(agent.pid) where kill(pid, SIGKILL) == 0 { kills += 1 }
        }
        #expect(try await eventually { Self.allEnded(head) })
        #expect(kills > 0)
        try Self.check(agent, head, count: 120)
    }

    @Test func anExitThatNobodyAcknowledgedIsToldAgainByEverySuccessor() async throws {
        let agent = try AgentUnderTest()
        let head = try TestHead(agent)
        head.state.withLock { $0.acknowledges = false }
        #expect(try await eventually { head.isConnected })
        head.run(agent.template { $0.command = ["/bin/sh", "-c", "exit 5"] }, [task(attempt())])
        #expect(try await eventually { head.exit(attempt()) != nil })
        // The agent alone, then the launcher alone, then both: the journal is what is left.
        for locks in [["agent.lock"], ["launcher.lock"], ["launcher.lock", "agent.lock"]] {
            let (epoch, told) = head.state.withLock {
                ($0.hellos.last?.agentEpoch, $0.exited[attempt()]?.count ?? 0)
            }
            for pid in locks.compactMap(agent.pid) { kill(pid, SIGKILL) }
            if locks == ["launcher.lock"] { continue }
            // In the hello, or right after it where the launcher has not told it by then.
            #expect(
                try await eventually {
                    head.state.withLock {
                        $0.hellos.last?.agentEpoch != epoch
                            && $0.exited[attempt()]?.count ?? 0 > told
                    }
                }, "after the end of \(locks)")
            #expect(head.exit(attempt())?.status == .code(5))
        }
        head.send(.acknowledge([attempt()]))
        #expect(
            try await eventually {
                try FileManager.default.contentsOfDirectory(atPath: agent.directories.run)
                    .filter { $0.hasPrefix("launcher.journal.") }.isEmpty
            })
        // And then it is forgotten.
        let before = head.state.withLock { $0.hellos.count }
        if let pid = agent.agentPID { kill(pid, SIGKILL) }
        #expect(try await eventually { head.state.withLock { $0.hellos.count } > before })
        #expect(head.state.withLock { $0.hellos.last?.exited.isEmpty } == true)
        #expect(head.state.withLock { $0.hellos.last?.accepted.isEmpty } == true)
    }
}

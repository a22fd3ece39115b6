import JobModel
import LinuxSystem
import NodeLink
import Synchronization
import Testing

struct LinkTests {
    @Test(arguments: 0..<12 as Range<UInt64>)
    func everyAttemptComesOnceThoughTheLinkIsCutAtAnyByte(seed: UInt64) async throws {
        let folder = try Folder()
        let agent = try PretendedAgent(folder.path + "/agent.sock")
        let cutter = try CuttingRelay(
            from: folder.path + "/link.sock", to: folder.path + "/agent.sock", seed: seed)
        defer {
            cutter.stop()
            agent.stop()
        }
        let head = try TestHead(.socket(folder.path + "/link.sock"))
        #expect(try await eventually { head.isConnected })
        let spec = JobSpec(name: "x", image: "host", command: ["true"])
        let template = JobTemplate(
            job: JobID(1), spec: spec, taskCount: 40, root: .host, directory: "/")
        head.run(template, (0..<40).map { task(attempt(1, $0)) })
        #expect(
            try await eventually {
                head.state.withLock { state in
                    state.dispatched.values.allSatisfy { state.exited[$0.attempt] != nil }
                }
            })
        let (exited, never) = head.state.withLock { (Set($0.exited.keys), $0.neverStarted) }
        // Each task ran in one attempt and no other; an attempt that was given up never came to run.
        #expect(exited.count == 40)
        #expect(Set(exited.map(\.task)).count == 40)
        #expect(exited.isDisjoint(with: never))
        #expect(agent.ran == exited)
        #expect(cutter.cuts > 0)
    }

    @Test func tasksThatOneMessageDoesNotBearComeInSeveral() async throws {
        let folder = try Folder()
        let agent = try PretendedAgent(folder.path + "/agent.sock")
        defer { agent.stop() }
        let head = try TestHead(.socket(folder.path + "/agent.sock"))
        #expect(try await eventually { head.isConnected })
        let spec = JobSpec(name: "x", image: "host", command: ["true"])
        let template = JobTemplate(
            job: JobID(1), spec: spec, taskCount: 7, root: .host, directory: "/")
        func tasks(_ indices: Range<Int>, of size: Int) -> [RunTask] {
            let value = ParameterValue.string(String(repeating: "x", count: size))
            return indices.map {
                task(attempt(1, $0), point: Point([.init(name: "a", value: value)]))
            }
        }
        // Six of a third of a message each, and one that is longer than any.
        head.run(
            template,
            tasks(0..<3, of: Frame.largestPayload / 3)
                + tasks(3..<4, of: Frame.largestPayload + 1)
                + tasks(4..<7, of: Frame.largestPayload / 3))
        #expect(try await eventually { head.state.withLock { $0.exited.count } == 7 })
        for index in [0, 1, 2, 4, 5, 6] {
            #expect(head.exit(attempt(1, index))?.status == .code(0))
        }
        guard case .startFailure? = head.exit(attempt(1, 3))?.status else {
            Issue.record("a task that was never sent did not fail")
            return
        }
        #expect(head.state.withLock { $0.disconnects.isEmpty })
    }

    @Test func aCommandIsATransportAndItsLastWordsAreTold() async throws {
        let head = try TestHead(.command(["/bin/sh", "-c", "echo no route to node >&2; exit 255"]))
        #expect(
            try await eventually {
                head.state.withLock { $0.disconnects.contains { $0.contains("no route to node") } }
            })
    }

    @Test func anAgentThatCannotBeStartedIsTold() async throws {
        let folder = try Folder()
        struct Refused: Error {}
        let head = try TestHead(.socket(folder.path + "/none.sock")) { throw Refused() }
        #expect(
            try await eventually {
                head.state.withLock { $0.disconnects.contains { $0.contains("Refused") } }
            })
    }

    @Test func anotherVersionOfTheProtocolIsRefused() async throws {
        let folder = try Folder()
        let agent = try PretendedAgent(folder.path + "/agent.sock", protocolVersion: 99)
        defer { agent.stop() }
        let head = try TestHead(.socket(folder.path + "/agent.sock"))
        #expect(
            try await eventually {
                head.state.withLock { $0.disconnects.contains { $0.contains("version 99") } }
            })
        #expect(!head.isConnected)
    }

    @Test func whatWasDecidedForAnOlderConnectionIsNotSent() async throws {
        let folder = try Folder()
        let agent = try PretendedAgent(folder.path + "/agent.sock")
        defer { agent.stop() }
        let connections = Mutex<[AgentLink.Connection]>([])
        let link = try AgentLink(.socket(folder.path + "/agent.sock"), head: "h") { event in
            if case .connected(_, let connection) = event {
                connections.withLock { $0.append(connection) }
            }
        }
        try link.start()
        defer { link.close() }
        #expect(try await eventually { connections.withLock { $0.count } == 1 })
        agent.dropConnection()
        #expect(try await eventually { connections.withLock { $0.count } == 2 })
        let (old, new) = connections.withLock { ($0[0], $0[1]) }
        link.send(.run([task(attempt(1, 0))]), on: old)
        link.send(.run([task(attempt(1, 1))]), on: new)
        #expect(try await eventually { agent.ran.contains(attempt(1, 1)) })
        #expect(agent.ran == [attempt(1, 1)])
    }
}

import Foundation
import JobModel
import LinuxSystem
import NodeLink
import OCISpec
import Synchronization
import Testing

/// What an agent owes to the tasks that it was given, whatever happens to it.
@Suite(
    .enabled(if: AgentUnderTest.obstacle == nil, "needs built executables and mount namespaces"),
    .serialized)
struct AgentPromiseTests {
    private static func connected() async throws -> (AgentUnderTest, TestHead) {
        let agent = try AgentUnderTest()
        let head = try TestHead(agent)
        #expect(try await eventually { head.isConnected })
        return (agent, head)
    }

    /// Ends these processes, and waits for the hello of their successors.
    private static func kill(_ locks: [String], of agent: AgentUnderTest, _ head: TestHead)
        async throws -> AgentHello?
    {
        let before = head.state.withLock { $0.hellos.count }
        for pid in locks.compactMap(agent.pid) { _ = Foundation.kill(pid, SIGKILL) }
        #expect(try await eventually { head.state.withLock { $0.hellos.count } > before })
        return head.state.withLock { $0.hellos.last }
    }

    private static func journals(_ agent: AgentUnderTest) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: agent.directories.run)
            .filter { $0.hasPrefix("launcher.journal.") }
    }

    @Test func recordsThatOneHelloDoesNotBearFollowIt() async throws {
        let (agent, head) = try await Self.connected()
        let count = Frame.batch + 40
        head.state.withLock { $0.acknowledges = false }
        head.run(
            agent.template { $0.command = ["/bin/true"] }, (0..<count).map { task(attempt(1, $0)) })
        #expect(try await eventually { head.state.withLock { $0.exited.count } == count })
        head.state.withLock { $0.exited = [:] }
        let hello = try #require(try await Self.kill(["agent.lock"], of: agent, head))
        #expect(try await eventually { head.state.withLock { $0.exited.count } == count })
        // Fewer where the launcher was still telling them when it was sent.
        #expect(hello.exited.count <= Frame.batch)
        // None is ever missing from the hello: the head would take it for never started.
        #expect(Set(hello.accepted + hello.exited.map(\.attempt)).count == count)
        #expect(head.state.withLock { $0.neverStarted.isEmpty && $0.lost.isEmpty })
    }

    @Test func whatAFormerAgentCollectedIsNotCollectedAgain() async throws {
        let (agent, head) = try await Self.connected()
        let folder = agent.folder.path + "/work"
        try agent.folder.write("work/out", "")
        head.state.withLock { $0.acknowledges = false }
        head.run(
            agent.template {
                $0.mounts = [Mount(source: folder, destination: folder)]
                $0.workdir = folder
                $0.collect = ["out"]
                $0.command = [
                    "/bin/sh", "-c", "echo first > out; echo '{\"a\": 1}' > $MARTLET_METRICS",
                ]
            }, [task(attempt())])
        #expect(try await eventually { head.exit(attempt()) != nil })
        let record = try #require(head.exit(attempt()))
        #expect(record.metrics == ["a": 1])
        // The directory is another's now, and so is what lies there.
        try agent.folder.write("work/out", "second\n")
        for locks in [["agent.lock"], ["agent.lock", "launcher.lock"]] {
            let before = head.state.withLock { $0.exited[attempt()]?.count ?? 0 }
            _ = try await Self.kill(locks, of: agent, head)
            #expect(
                try await eventually {
                    head.state.withLock { ($0.exited[attempt()]?.count ?? 0) > before }
                })
            #expect(head.exit(attempt()) == record, "after the end of \(locks)")
            #expect(try agent.output(attempt(), "results/out") == "first\n")
        }
    }

    @Test func aNodeThatIsStoppedAndStartedKeepsNoOldJournals() async throws {
        let (agent, head) = try await Self.connected()
        // With nothing in them, and then with an exit that has been acknowledged.
        for number in 1...2 {
            let before = head.state.withLock { $0.hellos.count }
            head.send(.shutdown)
            #expect(try await eventually { head.state.withLock { $0.hellos.count } > before })
            #expect(try await eventually { try Self.journals(agent).isEmpty })
            let id = attempt(1, 0, number)
            head.run(agent.template { $0.command = ["/bin/true"] }, [task(id)])
            #expect(try await eventually { head.exit(id) != nil })
        }
        #expect(try await eventually { try Self.journals(agent).isEmpty })
    }

    @Test func aLauncherThatOnlyHangsUpIsConnectedToAgain() async throws {
        let (agent, head) = try await Self.connected()
        let folder = agent.folder.path + "/gate"
        try agent.folder.write("gate/begun", "")
        head.run(
            agent.template {
                $0.mounts = [Mount(source: folder, destination: folder)]
                $0.command = [
                    "/bin/sh", "-c",
                    "echo x >> \(folder)/begun; until [ -e \(folder)/open ]; do sleep 0.01; done; exit 4",
                ]
            }, [task(attempt())])
        #expect(try await eventually { try agent.folder.text("gate/begun") == "x\n" })
        let launcher = agent.launcherPID
        do {
            // Another connection ends the agent's.
            let other = try UnixSocket.connect(agent.directories.launcherSocket, .messages)
            var byte = [UInt8](repeating: 0, count: 1 << 17)
            // Its hello: the launcher has turned to it.
            #expect(try UnixSocket.receive(other.raw, into: &byte) != nil)
        }
        try agent.folder.write("gate/open", "")
        #expect(try await eventually { head.exit(attempt())?.status == .code(4) })
        #expect(head.state.withLock { $0.lost.isEmpty })
        #expect(try agent.folder.text("gate/begun") == "x\n")
        #expect(agent.launcherPID == launcher)
        #expect(try Self.journals(agent).isEmpty)
    }

    @Test func theHeadIsToldOfANewLauncherAtOnce() async throws {
        let (agent, head) = try await Self.connected()
        let first = try #require(head.state.withLock { $0.hellos.last })
        let second = try #require(try await Self.kill(["launcher.lock"], of: agent, head))
        #expect(second.agentEpoch == first.agentEpoch)
        #expect(second.launcherEpoch != first.launcherEpoch)
    }

    @Test(.enabled(if: AgentUnderTest.busybox != nil && geteuid() == 0, "needs root and busybox"))
    func aSuccessWhoseFilesWentWithTheLauncherIsLost() async throws {
        let (agent, head) = try await Self.connected()
        var template = agent.template {
            $0.collect = ["out"]
            $0.workdir = "/work"
            $0.command = ["/busybox", "sh", "-c", "echo x > out; exit $MARTLET_TASK_INDEX"]
        }
        template.root = .layers([try agent.busyboxRoot()], ImageProcess())
        head.state.withLock { $0.acknowledges = false }
        let ids = [attempt(1, 0), attempt(1, 1)]
        head.run(template, ids.map { task($0) })
        for id in ids {
            #expect(try await eventually { head.exit(id) != nil })
            #expect(head.exit(id)?.status == .code(Int32(id.task.index)))
            #expect(try agent.output(id, "results/out") == "x\n")
            // As if the agent had died before it came to collect.
            for name in ["exit.json", "results/out"] {
                let path = TestHead.path(id, in: template) + "/" + name
                try FileManager.default.removeItem(atPath: path)
            }
        }
        _ = try await Self.kill(["launcher.lock", "agent.lock"], of: agent, head)
        #expect(
            try await eventually { head.state.withLock { ($0.exited[ids[1]]?.count ?? 0) > 1 } })
        guard case .lost? = head.exit(ids[0])?.status else {
            Issue.record("it ended as \(String(describing: head.exit(ids[0])))")
            return
        }
        // One that failed has failed, files or not.
        #expect(head.exit(ids[1])?.status == .code(1))
        #expect(try agent.output(ids[1], "results/collect.error").contains("launcher"))
    }

    @Test func tasksWaitWhileTooManyFilesAreOpen() async throws {
        let (agent, head) = try await Self.connected()
        // The hello of the launcher has come with the agent's own.
        let pid = try #require(agent.agentPID)
        func limit(_ value: String) throws {
            let change = try AttachedCommand(["prlimit", "--pid", "\(pid)", "--nofile=\(value):"])
            var byte = [UInt8](repeating: 0, count: 64)
            // Its end.
            _ = try UnixSocket.receive(change.stdio.raw, into: &byte)
        }
        try limit("3")
        head.run(agent.template { $0.command = ["/bin/true"] }, [task(attempt())])
        #expect(
            try await eventually { head.state.withLock { $0.held.last.map { $0 != nil } == true } })
        #expect(head.exit(attempt()) == nil)
        try limit("1000")
        #expect(try await eventually { head.exit(attempt())?.status == .code(0) })
    }

    @Test func whatNoTaskNeedsIsSweptByTheNextAgent() async throws {
        let (agent, head) = try await Self.connected()
        head.run(agent.template { $0.command = ["/bin/true"] }, [task(attempt())])
        #expect(try await eventually { head.exit(attempt()) != nil })
        // What comes after the acknowledgment says that it has come.
        head.run(agent.template(2) { $0.command = ["/bin/true"] }, [task(attempt(2))])
        #expect(try await eventually { head.exit(attempt(2)) != nil })
        let jobs = agent.directories.run + "/jobs"
        #expect(Files.exists(jobs + "/1.json"))
        // It was forgotten while the head had no connection.
        head.state.withLock { $0.templates = [:] }
        _ = try await Self.kill(["agent.lock"], of: agent, head)
        #expect(try await eventually { !Files.exists(jobs + "/1.json") })
    }

    @Test func anEndThatNobodyKnowsAnyMoreIsToldWhenItIsCancelled() async throws {
        let (agent, head) = try await Self.connected()
        head.state.withLock { $0.acknowledges = false }
        head.run(agent.template { $0.command = ["/bin/true"] }, [task(attempt())])
        #expect(try await eventually { head.exit(attempt()) != nil })
        // The head has forgotten the job, and the node too.
        unlink(agent.directories.run + "/jobs/1.json")
        head.state.withLock { state in
            (state.templates, state.dispatched, state.exited) = ([:], [:], [:])
        }
        let hello = try await Self.kill(["agent.lock"], of: agent, head)
        #expect(hello?.accepted == [attempt()])
        head.send(.cancel([attempt()]))
        #expect(try await eventually { head.exit(attempt())?.status == .code(0) })
    }

    @Test func aCheckpointIsKeptForTheNextAttemptAndAnEmptyOneIsNot() async throws {
        let (agent, head) = try await Self.connected()
        let template = agent.template {
            $0.command = [
                "/bin/sh", "-c",
                "cat $MARTLET_CHECKPOINT/*; echo $MARTLET_ATTEMPT > $MARTLET_CHECKPOINT/kept; "
                    + "[ $MARTLET_TASK_INDEX = 1 ] && rm $MARTLET_CHECKPOINT/kept; true",
            ]
        }
        for number in 1...2 {
            let id = attempt(1, 0, number)
            head.run(template, [task(id)])
            #expect(try await eventually { head.exit(id) != nil })
        }
        #expect(try agent.output(attempt(1, 0, 2)) == "1\n")
        head.run(template, [task(attempt(1, 1))])
        #expect(try await eventually { head.exit(attempt(1, 1)) != nil })
        #expect(Files.exists(template.directory + "/tasks/0/checkpoint/kept"))
        #expect(!Files.exists(template.directory + "/tasks/1/checkpoint"))
    }

    @Test func whatIsTooLargeToStartFailsAloneAndSaysWhy() async throws {
        let (agent, head) = try await Self.connected()
        let template = agent.template { $0.command = ["/bin/true"] }
        let large = Point([
            .init(name: "a", value: .string(String(repeating: "x", count: 200_000)))
        ])
        head.run(template, [task(attempt(1, 0), point: large), task(attempt(1, 1))])
        #expect(try await eventually { head.exit(attempt(1, 0)) != nil })
        guard case .startFailure(_, let subject, let errno)? = head.exit(attempt(1, 0))?.status
        else {
            Issue.record("it ended as \(String(describing: head.exit(attempt(1, 0))))")
            return
        }
        #expect(subject.contains("MARTLET_PARAM"))
        #expect(errno == E2BIG)
        #expect(try await eventually { head.exit(attempt(1, 1))?.status == .code(0) })
    }

    @Test func whatCannotBeCollectedIsToldWhereTheFilesWouldLie() async throws {
        let (agent, head) = try await Self.connected()
        head.run(
            agent.template {
                $0.mounts = [Mount(kind: .tmpfs, source: "", destination: "/mnt")]
                $0.workdir = "/mnt"
                $0.collect = ["out"]
                $0.command = ["/bin/sh", "-c", "echo x > out"]
            }, [task(attempt())])
        #expect(try await eventually { head.exit(attempt()) != nil })
        #expect(head.exit(attempt())?.status == .code(0))
        #expect(try agent.output(attempt(), "results/collect.error").contains("/mnt is a tmpfs"))
    }
}

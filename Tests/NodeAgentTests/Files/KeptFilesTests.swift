import Foundation
import JobModel
import LinuxSystem
import NodeLink
import Synchronization
import Testing

/// What an agent does with the files of tasks whose head shares no file system with it.
@Suite(
    .enabled(if: AgentUnderTest.obstacle == nil, "needs built executables and mount namespaces"),
    .serialized)
struct KeptFilesTests {
    private static func connected() async throws -> (AgentUnderTest, TestHead) {
        let agent = try AgentUnderTest()
        let head = try TestHead(agent)
        #expect(try await eventually { head.isConnected })
        head.state.withLock { $0.acknowledges = false }
        return (agent, head)
    }

    private static func template(_ agent: AgentUnderTest, _ script: String) -> JobTemplate {
        var template = agent.template { $0.command = ["/bin/sh", "-c", script] }
        template.directory = JobTemplate.keptDirectory(template.job)
        return template
    }

    /// On the agent's side.
    private static func place(_ agent: AgentUnderTest, _ path: String = "") -> String {
        agent.directories.state + "/node/head/jobs/1" + path
    }

    private static func read(
        _ head: TestHead, _ id: AttemptID, _ parts: [FileRead.Part]
    ) async throws -> (bytes: [UInt8], end: String?) {
        let (link, connection) = head.state.withLock { ($0.link, $0.connection) }
        let received = StreamTests.Received()
        let request = FileRead(id, in: JobTemplate.keptDirectory(JobID(1)), parts)
        _ = try #require(link).open(
            .read(request), on: #require(connection), receive: received.take)
        #expect(try await eventually { received.hasEnded })
        return (received.bytes.withLock { $0 }, received.ends.withLock { $0[0] })
    }

    @Test func littleComesWithTheRecordAndGoesWhenItIsAcknowledged() async throws {
        let (agent, head) = try await Self.connected()
        head.run(
            Self.template(
                agent,
                "echo out; echo err >&2; mkdir $MARTLET_RESULTS/d; printf '\\377' > $MARTLET_RESULTS/d/b"
            ),
            [task(attempt())])
        #expect(try await eventually { head.exit(attempt()) != nil })
        let files = try #require(head.exit(attempt())?.files)
        let contents = files.list.map { "\($0.path) \($0.content?.bytes ?? [])" }
        #expect(
            contents == [
                "stdout \(Array("out\n".utf8))", "stderr \(Array("err\n".utf8))",
                "results/d []", "results/d/b [255]",
            ])
        #expect(files.problems == nil && files.listSize == nil)
        #expect(Files.exists(Self.place(agent, "/tasks/0/1/stdout")))
        head.send(.acknowledge([attempt()]))
        #expect(try await eventually { !Files.exists(Self.place(agent, "/tasks/0/1")) })
        #expect(Files.exists(Self.place(agent, "/tasks/0/checkpoint")) == false)
        head.send(.forget(JobID(1)))
        #expect(try await eventually { !Files.exists(Self.place(agent)) })
    }

    @Test func nothingIsToldOfATaskThatWroteNothing() async throws {
        let (agent, head) = try await Self.connected()
        head.run(Self.template(agent, "true"), [task(attempt())])
        #expect(try await eventually { head.exit(attempt())?.status == .code(0) })
        #expect(head.exit(attempt())?.files == nil)
    }

    @Test func muchIsListedAndReadFromAnyOffset() async throws {
        let (agent, head) = try await Self.connected()
        head.run(
            Self.template(
                agent,
                "head -c 3000000 /dev/zero | tr '\\0' x > $MARTLET_RESULTS/x; echo y > $MARTLET_RESULTS/y"
            ),
            [task(attempt())])
        #expect(try await eventually { head.exit(attempt()) != nil })
        let files = try #require(head.exit(attempt())?.files)
        #expect(files.list.allSatisfy { $0.content == nil })
        let x = [UInt8](repeating: UInt8(ascii: "x"), count: 3_000_000)
        #expect(
            files.list.first { $0.path == "results/x" }?.kind
                == .file(size: 3_000_000, checksum: Checksum.of(x)))
        let all = try await Self.read(
            head, attempt(),
            [
                FileRead.Part("results/x", offset: 1_000_000, length: 2_000_000),
                FileRead.Part("results/y", length: 2),
            ])
        #expect(all.bytes == x[..<2_000_000] + Array("y\n".utf8))
        #expect(all.end == nil)
        // One that has gone ends the stream there, and says so.
        unlink(Self.place(agent, "/tasks/0/1/results/x"))
        let rest = try await Self.read(
            head, attempt(),
            [FileRead.Part("results/y", length: 2), FileRead.Part("results/x", length: 1)])
        #expect(rest.bytes == Array("y\n".utf8))
        #expect(rest.end?.hasPrefix("results/x: ") == true)
    }

    @Test(arguments: ["../../../../../../../../etc/passwd", "results/out", "results/pipe"])
    func onlyFilesOfTheAttemptAreRead(path: String) async throws {
        let (agent, head) = try await Self.connected()
        head.run(
            Self.template(
                agent,
                "ln -s /etc/passwd $MARTLET_RESULTS/out; mkfifo $MARTLET_RESULTS/pipe"),
            [task(attempt())])
        #expect(try await eventually { head.exit(attempt()) != nil })
        let got = try await Self.read(head, attempt(), [FileRead.Part(path, length: 10)])
        #expect(got.bytes.isEmpty && got.end != nil)
    }

    @Test func aNewAgentTellsOfTheSameFilesAgain() async throws {
        let (agent, head) = try await Self.connected()
        head.run(Self.template(agent, "echo out"), [task(attempt())])
        #expect(try await eventually { head.exit(attempt()) != nil })
        let first = try #require(head.exit(attempt()))
        #expect(first.files != nil)
        // Or it would acknowledge, with the hello, what it has.
        head.state.withLock { $0.exited = [:] }
        kill(try #require(agent.agentPID), SIGKILL)
        #expect(try await eventually { head.exit(attempt()) != nil })
        #expect(head.exit(attempt()) == first)
        #expect(head.state.withLock { $0.neverStarted.isEmpty && $0.lost.isEmpty })
    }

    @Test func whatALostTaskHadWrittenIsToldToo() async throws {
        let (agent, head) = try await Self.connected()
        head.run(Self.template(agent, "echo begun; exec sleep 1000"), [task(attempt())])
        let stdout = Self.place(agent, "/tasks/0/1/stdout")
        #expect(try await eventually { (try? Files.text(stdout)) == "begun\n" })
        kill(try #require(agent.launcherPID), SIGKILL)
        #expect(try await eventually { head.exit(attempt()) != nil })
        guard case .lost? = head.exit(attempt())?.status else {
            Issue.record("it ended as \(String(describing: head.exit(attempt())?.status))")
            return
        }
        #expect(head.exit(attempt())?.files?.list.first?.content == .text("begun\n"))
    }

    @Test func jobsThatTheHeadHasEndedMeanwhileAreRemoved() async throws {
        let (agent, head) = try await Self.connected()
        head.run(Self.template(agent, "true"), [task(attempt())])
        #expect(try await eventually { head.exit(attempt()) != nil })
        let old = agent.directories.state + "/node/head/jobs/77/tasks/0/checkpoint"
        try Files.makeDirectories(old)
        head.send(.jobs([]))
        #expect(try await eventually { !Files.exists(old) })
        // Its end is not acknowledged.
        #expect(Files.exists(Self.place(agent, "/tasks/0/1")))
        head.send(.acknowledge([attempt()]))
        head.send(.jobs([JobID(1)]))
        #expect(try await eventually { !Files.exists(Self.place(agent, "/tasks/0/1")) })
        #expect(Files.exists(Self.place(agent)))
    }

    @Test(arguments: [("right", true), ("wrong", false)])
    func aDirectoryThatIsTheHeadsOwnIsKnownByItsToken(token: String, isSame: Bool) async throws {
        let (agent, head) = try await Self.connected()
        try agent.folder.write("jobs/token", "right")
        let (link, connection) = head.state.withLock { ($0.link, $0.connection) }
        let received = StreamTests.Received()
        let look = SharedLook(path: agent.folder.path + "/jobs/token", token: token)
        _ = try #require(link).open(
            .look(look), on: #require(connection), receive: received.take)
        #expect(try await eventually { received.hasEnded })
        #expect((received.ends.withLock { $0[0] } == nil) == isSame)
        // And nothing is left of the look.
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: agent.folder.path + "/jobs")
                == ["token"])
    }

    @Test func whatATaskWritesIsFollowedUntilItEnds() async throws {
        let (agent, head) = try await Self.connected()
        let gate = agent.folder.path + "/gate"
        try agent.folder.write("gate/x", "")
        var template = Self.template(
            agent, "echo one; until [ -e \(gate)/open ]; do sleep 0.01; done; echo two; exit 3")
        template.spec.mounts = [Mount(source: gate, destination: gate)]
        head.run(template, [task(attempt())])
        let (link, connection) = head.state.withLock { ($0.link, $0.connection) }
        let received = StreamTests.Received()
        let follow = FileFollow(
            attempt(), in: JobTemplate.keptDirectory(JobID(1)), "stdout", offset: 0)
        _ = try #require(link).open(
            .follow(follow), on: #require(connection), receive: received.take)
        #expect(try await eventually { received.bytes.withLock { $0 } == Array("one\n".utf8) })
        #expect(!received.hasEnded)
        try agent.folder.write("gate/open", "")
        #expect(try await eventually { received.hasEnded })
        #expect(received.bytes.withLock { $0 } == Array("one\ntwo\n".utf8))
        #expect(received.ends.withLock { $0 } == [nil])
    }

    @Test func aCheckpointIsToldOfWhereTheAttemptFailedAndTakenInBeforeTheNext() async throws {
        let (agent, head) = try await Self.connected()
        let template = Self.template(
            agent,
            "cat $MARTLET_CHECKPOINT/at; echo 7 > $MARTLET_CHECKPOINT/at; exit $MARTLET_TASK_INDEX")
        let (good, bad) = (attempt(1, 0), attempt(1, 1))
        head.run(template, [task(good), task(bad)])
        #expect(try await eventually { head.exit(good) != nil && head.exit(bad) != nil })
        func paths(_ id: AttemptID) -> [String] { head.exit(id)?.files?.list.map(\.path) ?? [] }
        #expect(!paths(good).contains("checkpoint/at"))
        #expect(paths(bad).contains("checkpoint/at"))
        let read = try await Self.read(head, bad, [FileRead.Part("checkpoint/at", length: 2)])
        #expect(read.bytes == Array("7\n".utf8) && read.end == nil)
        // What came from another node takes its place.
        let next = attempt(1, 1, 2)
        let file = LeftFile(
            "checkpoint/at", .file(size: 3, checksum: Checksum.of(Array("42\n".utf8))), mode: 0o600)
        let (link, connection) = head.state.withLock { ($0.link, $0.connection) }
        let received = StreamTests.Received()
        let handle = try #require(link).open(
            .restore(CheckpointRestore(next, in: template.directory, [file])),
            on: #require(connection), receive: received.take)
        try handle.write(Array("42\n".utf8))
        handle.finish()
        #expect(try await eventually { received.hasEnded })
        #expect(received.ends.withLock { $0 } == [nil])
        head.run(template, [task(next)])
        #expect(try await eventually { head.exit(next) != nil })
        #expect(try Files.text(Self.place(agent, "/tasks/1/2/stdout")) == "42\n")
        #expect(
            try await eventually {
                try Files.names(in: Self.place(agent, "/tasks/1")).allSatisfy { !$0.hasPrefix(".") }
            })
    }
}

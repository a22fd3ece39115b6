import Foundation
import JobModel
import LinuxSystem
import NodeLink
import Synchronization
import Testing

@testable import JobServer

/// A task's checkpoint, from the node of an attempt that failed to that of the next one.
struct TaskCheckpointTests {
    private static func task(_ head: FilesHead) -> String {
        (head.place(attempt()) as NSString).deletingLastPathComponent
    }

    private static func checkpoint(_ head: FilesHead, for number: Int) -> TaskCheckpoint? {
        TaskCheckpoint(for: attempt(0, number), task: task(head)) { head.place($0) }
    }

    private static func sent(_ checkpoint: TaskCheckpoint, _ head: FilesHead) async throws
        -> String?
    {
        #expect(try await eventually { head.state.withLock { $0.open != nil } })
        let open = try #require(head.state.withLock { $0.open })
        return await withCheckedContinuation { continuation in
            checkpoint.send(open) { continuation.resume(returning: $0) }
        }
    }

    private static func fill(_ scratch: Scratch, _ directory: String) throws {
        try scratch.write(
            directory + "/model", (0..<900_000).map { UInt8(truncatingIfNeeded: $0 >> 3) })
        try scratch.write(directory + "/empty", "")
        for number in 0..<40 {
            try scratch.write(directory + "/d/\(number % 3)/\(number)", "n\(number)")
        }
        symlink("d/0/0", scratch.path + "/" + directory + "/latest")
    }

    @Test func itComesHereWithTheEndAndGoesToTheNextNode() async throws {
        let (first, second) = (try Scratch(), try Scratch())
        try first.write("node/stdout", "")
        try Self.fill(first, "checkpoint")
        let files = try #require(
            try FilesNode.files(in: first.path + "/node", withCheckpoint: true))
        let node = try FilesNode(first.path + "/agent.sock", serving: first.path + "/node")
        var record = ExitRecord(
            attempt: attempt(), status: .code(1), ended: Timestamp(milliseconds: 2))
        record.files = files
        node.state.withLock { [record] in $0.records = [record] }
        let head = try FilesHead(first.path + "/agent.sock", jobs: first.path + "/head")
        defer { head.close() }
        #expect(Self.checkpoint(head, for: 2) == nil)
        #expect(try await eventually { head.record(attempt()) != nil })
        #expect(head.record(attempt())?.missingFiles == nil)
        // A former one is there, which goes as a whole.
        try second.write("checkpoint/older", "x")
        try FileManager.default.createDirectory(
            atPath: second.path + "/node", withIntermediateDirectories: true)
        _ = try FilesNode(second.path + "/agent.sock", serving: second.path + "/node")
        let next = try FilesHead(second.path + "/agent.sock", jobs: first.path + "/head")
        defer { next.close() }
        let checkpoint = try #require(Self.checkpoint(next, for: 2))
        #expect(try await Self.sent(checkpoint, next) == nil)
        let expected = try Scratch.tree(first.path + "/checkpoint")
        #expect(expected.count == 47)
        #expect(try Scratch.tree(second.path + "/checkpoint") == expected)
        #expect(try Files.names(in: second.path).filter { $0.hasPrefix(".") } == [])
    }

    @Test func theLatestAttemptsIsTakenAndOneThatWroteHereLastOfAll() throws {
        let scratch = try Scratch()
        let head = try FilesHead(scratch.path + "/none.sock", jobs: scratch.path + "/head")
        defer { head.close() }
        try scratch.write("head/1/tasks/0/checkpoint/a", "here")
        #expect(Self.checkpoint(head, for: 1) == nil)
        try #require(Self.checkpoint(head, for: 2)).bringHome()
        #expect(try Files.text(Self.task(head) + "/checkpoint/a") == "here")
        for number in [1, 2] {
            try scratch.write("head/1/tasks/0/\(number)/checkpoint/a", "\(number)")
        }
        try #require(Self.checkpoint(head, for: 4)).bringHome()
        #expect(try Files.text(Self.task(head) + "/checkpoint/a") == "2")
        // What the attempt here makes of it is the latest then, and not what is older.
        try scratch.write("head/1/tasks/0/checkpoint/a", "4")
        try #require(Self.checkpoint(head, for: 5)).bringHome()
        #expect(try Files.text(Self.task(head) + "/checkpoint/a") == "4")
    }

    @Test func aNodeThatCannotTakeItSaysWhyAndKeepsWhatItHad() async throws {
        let (here, there) = (try Scratch(), try Scratch())
        try here.write("head/1/tasks/0/checkpoint/a", "new")
        try there.write("checkpoint/a", "old")
        try there.write("node", "in the way of no directory")
        let node = try FilesNode(
            there.path + "/agent.sock", serving: there.path + "/checkpoint/a/x")
        defer { node.stop() }
        let head = try FilesHead(there.path + "/agent.sock", jobs: here.path + "/head")
        defer { head.close() }
        let checkpoint = try #require(Self.checkpoint(head, for: 2))
        #expect(try await Self.sent(checkpoint, head)?.contains("Not a directory") == true)
        #expect(try Files.text(there.path + "/checkpoint/a") == "old")
    }

    @Test(arguments: [
        "checkpoint/../evil", "evil", "checkpoint", "checkpoint/", "checkpoint/l/evil",
    ])
    func nothingIsWrittenBesideIt(path: String) async throws {
        let scratch = try Scratch()
        try scratch.write("node/stdout", "")
        try scratch.write("outside/kept", "mine")
        let node = try FilesNode(scratch.path + "/agent.sock", serving: scratch.path + "/node")
        defer { node.stop() }
        let head = try FilesHead(scratch.path + "/agent.sock", jobs: scratch.path + "/head")
        defer { head.close() }
        #expect(try await eventually { head.state.withLock { $0.open != nil } })
        let open = try #require(head.state.withLock { $0.open })
        let list = [
            LeftFile("checkpoint/l", .link(scratch.path + "/outside"), mode: 0o777),
            LeftFile(path, .file(size: 0, checksum: 0), mode: 0o644),
        ]
        let ends = Mutex<[String?]>([])
        _ = try open(.restore(CheckpointRestore(attempt(0, 2), in: "jobs/1", list))) {
            if case .end(let reason) = $1 { ends.withLock { $0.append(reason) } }
        }
        #expect(try await eventually { ends.withLock { $0.count } == 1 })
        #expect(ends.withLock { $0[0] } != nil)
        #expect(try Files.names(in: scratch.path + "/outside") == ["kept"])
        #expect(
            !Files.exists(scratch.path + "/evil") && !Files.exists(scratch.path + "/checkpoint"))
    }
}

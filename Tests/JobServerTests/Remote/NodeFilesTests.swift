import Foundation
import JobModel
import LinuxSystem
import NodeLink
import Synchronization
import Testing

@testable import JobServer

/// Files of ended attempts on their way to the head, over a link that may break, from a node that may lie.
struct NodeFilesTests {
    private static let socket = "/agent.sock"

    private static func record(_ files: AttemptFiles?, _ id: AttemptID = attempt()) -> ExitRecord {
        var record = ExitRecord(attempt: id, status: .code(0), ended: Timestamp(milliseconds: 2))
        record.started = Timestamp(milliseconds: 1)
        record.metrics = ["loss": 0.5]
        record.files = files
        return record
    }

    /// What the head has of an attempt is what the node has, its own notes apart.
    private static func expectSame(_ head: FilesHead, _ node: Scratch) throws {
        var (here, there) = (
            try Scratch.tree(head.place(attempt())), try Scratch.tree(node.path + "/node")
        )
        (here["exit.json"], there["files.json"]) = (nil, nil)
        #expect(Set(here.keys) == Set(there.keys))
        for (name, content) in there { #expect(here[name] == content, "\(name)") }
    }

    private static func fill(_ node: Scratch, large: Int) throws {
        var random = SystemRandomNumberGenerator()
        try node.write("node/stdout", (0..<70_000).map { UInt8(truncatingIfNeeded: $0) })
        try node.write("node/stderr", "")
        try node.write("node/results/empty", "")
        try node.write(
            "node/results/large", (0..<large).map { _ in UInt8.random(in: 0...255, using: &random) }
        )
        for number in 0..<300 {
            try node.write("node/results/d/\(number % 9)/\(number)", "n\(number)")
        }
        symlink("../d/1", node.path + "/node/results/empty-link")
    }

    private static func connected(
        _ scratch: Scratch, _ records: [ExitRecord]
    ) throws -> (FilesNode, FilesHead) {
        let node = try FilesNode(scratch.path + socket, serving: scratch.path + "/node")
        node.state.withLock { $0.records = records }
        return (node, try FilesHead(scratch.path + socket, jobs: scratch.path + "/head"))
    }

    @Test func littleIsWrittenAtOnceWithoutAsking() async throws {
        let scratch = try Scratch()
        try scratch.write("node/stdout", "hello\n")
        try scratch.write("node/stderr", "")
        try scratch.write("node/results/a/b", [0xff, 0x00])
        chmod(scratch.path + "/node/results/a/b", 0o6777)
        let files = try #require(try FilesNode.files(in: scratch.path + "/node"))
        let (node, head) = try Self.connected(scratch, [Self.record(files)])
        defer { head.close() }
        #expect(try await eventually { head.record(attempt()) != nil })
        let record = try #require(head.record(attempt()))
        #expect(record == Self.record(nil))
        try Self.expectSame(head, scratch)
        #expect(node.state.withLock { $0.reads.isEmpty })
        var status = stat()
        #expect(stat(head.place(attempt(), "results/a/b"), &status) == 0)
        #expect(status.st_mode & 0o7777 == 0o755)
        let json = try Files.read(head.place(attempt(), "exit.json"))
        #expect(try JSONDecoder().decode(ExitRecord.self, from: Data(json)) == record)
    }

    @Test func anAttemptWithoutFilesHasItsOutputsAllTheSame() async throws {
        let scratch = try Scratch()
        try FileManager.default.createDirectory(
            atPath: scratch.path + "/node", withIntermediateDirectories: true)
        let records = (0..<500).map { Self.record(nil, attempt($0)) }
        let (_, head) = try Self.connected(scratch, records)
        defer { head.close() }
        #expect(try await eventually { head.state.withLock { $0.delivered.count } >= 500 })
        for name in ["stdout", "stderr"] {
            #expect(try Files.read(head.place(attempt(499), name)).isEmpty)
        }
    }

    @Test func muchIsFetchedAndIsTheSame() async throws {
        let scratch = try Scratch()
        try Self.fill(scratch, large: 5_000_000)
        let files = try #require(try FilesNode.files(in: scratch.path + "/node"))
        #expect(files.list.allSatisfy { $0.content == nil })
        let (node, head) = try Self.connected(scratch, [Self.record(files)])
        defer { head.close() }
        #expect(try await eventually { head.record(attempt()) != nil })
        #expect(head.record(attempt())?.missingFiles == nil)
        try Self.expectSame(head, scratch)
        // Small files share a stream.
        #expect(node.state.withLock { $0.reads.count } < 10)
    }

    @Test func aListThatNoMessageBearsIsReadAsAFile() async throws {
        let scratch = try Scratch()
        try scratch.write("node/stdout", "")
        for number in 0..<600 {
            try scratch.write(
                "node/results/\(String(repeating: "x", count: 120))\(number)", "\(number)")
        }
        let files = try #require(try FilesNode.files(in: scratch.path + "/node"))
        #expect(files.listSize ?? 0 > 65536 && files.list.isEmpty)
        let (_, head) = try Self.connected(scratch, [Self.record(files)])
        defer { head.close() }
        #expect(try await eventually { head.record(attempt()) != nil })
        #expect(head.record(attempt())?.missingFiles == nil)
        #expect(try Scratch.tree(head.place(attempt(), "results")).count == 600)
    }

    @Test func aBrokenConnectionCostsNoByteTwice() async throws {
        let scratch = try Scratch()
        try Self.fill(scratch, large: 4_000_000)
        let files = try #require(try FilesNode.files(in: scratch.path + "/node"))
        let node = try FilesNode(scratch.path + Self.socket, serving: scratch.path + "/node")
        node.state.withLock { state in
            state.records = [Self.record(files)]
            state.cutsAfter = 700_000
        }
        let head = try FilesHead(scratch.path + Self.socket, jobs: scratch.path + "/head")
        defer { head.close() }
        #expect(try await eventually(within: 60) { head.record(attempt()) != nil })
        #expect(head.record(attempt())?.missingFiles == nil)
        try Self.expectSame(head, scratch)
        let (connections, sent) = node.state.withLock { ($0.connections, $0.sent) }
        #expect(connections > 4)
        let size = files.list.reduce(0) { $0 + Int($1.size) }
        // What was under way when it broke is lost: less than a window for each.
        #expect(sent >= size && sent < size + connections * 300_000)
    }

    @Test func aNewServerGoesOnWhereTheOldOneWas() async throws {
        let scratch = try Scratch()
        try Self.fill(scratch, large: 3_000_000)
        let files = try #require(try FilesNode.files(in: scratch.path + "/node"))
        do {
            let node = try FilesNode(scratch.path + Self.socket, serving: scratch.path + "/node")
            node.state.withLock { state in
                state.records = [Self.record(files)]
                state.cutsAfter = 2_000_000
            }
            let first = try FilesHead(scratch.path + Self.socket, jobs: scratch.path + "/head")
            #expect(try await eventually { node.state.withLock { $0.sent } > 2_000_000 })
            first.close()
            node.stop()
        }
        let socket = scratch.path + "/second.sock"
        let node = try FilesNode(socket, serving: scratch.path + "/node")
        node.state.withLock { $0.records = [Self.record(files)] }
        let head = try FilesHead(socket, jobs: scratch.path + "/head")
        defer { head.close() }
        #expect(try await eventually { head.record(attempt()) != nil })
        try Self.expectSame(head, scratch)
        #expect(node.state.withLock { $0.sent } < 2_000_000)
    }

    @Test(arguments: [
        "../evil", "/tmp/evil", "results/../../evil", "results//evil", "results/./evil", "results",
        "results/", "evil", "exit.json", "files.json", ".incoming-0", "stdout/evil",
        "results/a\u{0}b", "results/" + String(repeating: "x", count: 300), "",
    ])
    func whatTheNodeMayNotWriteIsRefusedByName(path: String) async throws {
        let scratch = try Scratch()
        try scratch.write("node/stdout", "")
        var bad = LeftFile(
            path, .file(size: 4, checksum: Checksum.of(Array("evil".utf8))), mode: 0o644)
        bad.content = .text("evil")
        var good = LeftFile(
            "results/good", .file(size: 4, checksum: Checksum.of(Array("good".utf8))), mode: 0o644)
        good.content = .text("good")
        let (_, head) = try Self.connected(
            scratch, [Self.record(AttemptFiles([bad, good]))])
        defer { head.close() }
        #expect(try await eventually { head.record(attempt()) != nil })
        #expect(head.record(attempt())?.missingFiles?.count == 1)
        #expect(head.record(attempt())?.missingFiles?.first?.hasPrefix(path) == true)
        let tree = try Scratch.tree(scratch.path + "/head")
        #expect(tree.keys.filter { $0.hasSuffix("evil") } == [])
        #expect(!Files.exists("/tmp/evil"))
        #expect(try Files.text(head.place(attempt(), "results/good")) == "good")
    }

    @Test func nothingIsWrittenThroughALink() async throws {
        let scratch = try Scratch()
        try scratch.write("node/stdout", "")
        try scratch.write("outside/kept", "mine")
        var file = LeftFile(
            "results/out/kept", .file(size: 4, checksum: Checksum.of(Array("evil".utf8))),
            mode: 0o644)
        file.content = .text("evil")
        let link = LeftFile("results/out", .link(scratch.path + "/outside"), mode: 0o777)
        // By an earlier life of the same attempt, too.
        let (_, head) = try Self.connected(scratch, [])
        try Files.makeDirectories(head.place(attempt(), "results"))
        symlink(scratch.path + "/outside", head.place(attempt(), "results/out"))
        head.close()
        let socket = scratch.path + "/second.sock"
        let node = try FilesNode(socket, serving: scratch.path + "/node")
        node.state.withLock { $0.records = [Self.record(AttemptFiles([link, file]))] }
        let second = try FilesHead(socket, jobs: scratch.path + "/head")
        defer { second.close() }
        #expect(try await eventually { second.record(attempt()) != nil })
        #expect(second.record(attempt())?.missingFiles?.count == 1)
        #expect(try Files.text(scratch.path + "/outside/kept") == "mine")
    }

    @Test func aFileThatHasGoneOrChangedIsMissingByNameAndTheOthersCome() async throws {
        let scratch = try Scratch()
        try Self.fill(scratch, large: 200_000)
        let files = try #require(try FilesNode.files(in: scratch.path + "/node"))
        unlink(scratch.path + "/node/results/d/1/1")
        try scratch.write("node/results/d/2/2", "n?")
        let (_, head) = try Self.connected(scratch, [Self.record(files)])
        defer { head.close() }
        #expect(try await eventually { head.record(attempt()) != nil })
        #expect(
            head.record(attempt())?.missingFiles?.sorted() == [
                "results/d/1/1: No such file or directory",
                "results/d/2/2: it changed while it was read",
            ])
        let tree = try Scratch.tree(head.place(attempt()))
        #expect(tree["results/large"] != nil && tree["results/d/3/3"] != nil)
        #expect(tree["results/d/2/2"] == nil)
        #expect(tree.keys.filter { $0.hasPrefix(".") } == [])
        let json = try Files.text(head.place(attempt(), "exit.json"))
        #expect(json.contains("it changed while it was read"))
    }

    @Test func whileNothingCanBeWrittenHereRecordsWaitAndThenGoOn() async throws {
        let scratch = try Scratch()
        try Self.fill(scratch, large: 200_000)
        let files = try #require(try FilesNode.files(in: scratch.path + "/node"))
        // In the place of a directory.
        try scratch.write("head/1/tasks", "x")
        let (_, head) = try Self.connected(scratch, [Self.record(files)])
        defer { head.close() }
        #expect(
            try await eventually { head.state.withLock { $0.held.last.map { $0 != nil } == true } })
        #expect(head.record(attempt()) == nil)
        unlink(scratch.path + "/head/1/tasks")
        #expect(try await eventually { head.record(attempt()) != nil })
        #expect(head.record(attempt())?.missingFiles == nil)
        #expect(try await eventually { head.state.withLock { $0.held.last == .some(nil) } })
        try Self.expectSame(head, scratch)
    }

    @Test(.enabled(if: geteuid() == 0, "needs root, for a small file system"))
    func aDiskThatFillsUpInTheMiddleOfAFileHoldsItUpAndNoMore() async throws {
        let scratch = try Scratch()
        try Self.fill(scratch, large: 3_000_000)
        let files = try #require(try FilesNode.files(in: scratch.path + "/node"))
        let disk = scratch.path + "/head"
        try Files.makeDirectories(disk)
        #expect(mount("tmpfs", disk, "tmpfs", 0, "size=1m") == 0)
        defer { umount2(disk, Int32(MNT_DETACH)) }
        let (node, head) = try Self.connected(scratch, [Self.record(files)])
        defer { head.close() }
        #expect(
            try await eventually {
                head.state.withLock { $0.held.last??.contains("No space left") == true }
            })
        #expect(head.record(attempt()) == nil)
        #expect(mount("tmpfs", disk, "tmpfs", UInt(MS_REMOUNT), "size=20m") == 0)
        #expect(try await eventually { head.record(attempt()) != nil })
        #expect(head.record(attempt())?.missingFiles == nil)
        try Self.expectSame(head, scratch)
        // What was here before it was full came once.
        #expect(node.state.withLock { $0.sent } < 6_000_000)
    }

    @Test func anAttemptThatNeverBeganHasNoDirectory() async throws {
        let scratch = try Scratch()
        let record = ExitRecord(
            attempt: attempt(), status: .neverStarted, ended: Timestamp(milliseconds: 2))
        let (_, head) = try Self.connected(scratch, [record])
        defer { head.close() }
        #expect(try await eventually { head.record(attempt()) == record })
        #expect(!Files.exists(head.place(attempt())))
    }

    @Test func outputsGrowHereWhileSomebodyReadsThemAndEndComplete() async throws {
        let scratch = try Scratch()
        try scratch.write("node/stdout", "one\n")
        try scratch.write("node/stderr", "")
        let (node, head) = try Self.connected(scratch, [])
        defer { head.close() }
        head.files.follow([attempt()])
        func reads(_ text: String, _ name: String = "stdout") async throws -> Bool {
            try await eventually { (try? Files.text(head.place(attempt(), name))) == text }
        }
        #expect(try await reads("one\n"))
        try scratch.append("node/stdout", "two\n")
        #expect(try await reads("one\ntwo\n"))
        try scratch.write("node/results/metrics.jsonl", "{\"a\": 1}\n")
        #expect(try await reads("{\"a\": 1}\n", "results/metrics.jsonl"))
        // Nobody reads, and then somebody does again.
        head.files.unfollow([attempt()])
        try scratch.append("node/stdout", "three\n")
        head.files.follow([attempt()])
        #expect(try await reads("one\ntwo\nthree\n"))
        // The rest comes with the end, and nothing twice.
        try scratch.append("node/stdout", String(repeating: "x", count: 100_000))
        let files = try #require(try FilesNode.files(in: scratch.path + "/node"))
        head.files.intake([Self.record(files)])
        #expect(try await eventually { head.record(attempt()) != nil })
        #expect(head.record(attempt())?.missingFiles == nil)
        try Self.expectSame(head, scratch)
        let offsets = node.state.withLock { $0.reads.flatMap(\.parts) }.filter {
            $0.path == "stdout"
        }
        #expect(offsets.allSatisfy { $0.offset >= 14 } && !offsets.isEmpty)
    }

    @Test func anOutputThatTheTaskWroteAnewIsFetchedAnew() async throws {
        let scratch = try Scratch()
        try scratch.write("node/stdout", "a former text\n")
        try scratch.write("node/results/kept", "x")
        try scratch.write("node/stderr", "")
        let (_, head) = try Self.connected(scratch, [])
        defer { head.close() }
        head.files.follow([attempt()])
        #expect(
            try await eventually {
                (try? Files.text(head.place(attempt(), "stdout"))) == "a former text\n"
            })
        try scratch.write("node/stdout", "another, which is a longer text than the former one\n")
        let files = try #require(try FilesNode.files(in: scratch.path + "/node", isBusy: true))
        #expect(files.list.allSatisfy { $0.content == nil })
        head.files.intake([Self.record(files)])
        #expect(try await eventually { head.record(attempt()) != nil })
        #expect(head.record(attempt())?.missingFiles == nil)
        try Self.expectSame(head, scratch)
    }

    @Test func aRecordThatComesAgainIsHandedOnAgainUntilItIsAcknowledged() async throws {
        let scratch = try Scratch()
        try scratch.write("node/stdout", "x")
        try scratch.write("node/stderr", "")
        let files = try #require(try FilesNode.files(in: scratch.path + "/node"))
        let (_, head) = try Self.connected(scratch, [Self.record(files)])
        defer { head.close() }
        #expect(try await eventually { head.record(attempt()) != nil })
        // What a person did to it meanwhile is theirs.
        unlink(head.place(attempt(), "stdout"))
        head.files.intake([Self.record(files)])
        #expect(try await eventually { head.state.withLock { $0.delivered.count } == 2 })
        #expect(!Files.exists(head.place(attempt(), "stdout")))
    }
}

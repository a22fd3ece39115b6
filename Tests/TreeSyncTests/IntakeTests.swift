import Glibc
import JobModel
import LinuxSystem
import Testing

@testable import TreeSync

/// Trees on their way to a node's store, and in it.
@Suite("Trees brought")
struct IntakeTests {
    private static func source() throws -> Folder {
        let folder = try Folder()
        for name in ["code", "code/deep", "closed"] {
            try Files.makeDirectories(folder.path + "/" + name)
        }
        for number in 0..<300 {
            try folder.write("code/deep/\(number).py", "print(\(number))\n")
        }
        try Files.writeAtomically(
            folder.path + "/large", ChunkCutTests.bytes(3 << 20), mode: 0o640, durable: false)
        try folder.link("code/link", to: "../large")
        try folder.write("closed/empty", "")
        chmod(folder.path + "/closed", 0o555)
        return folder
    }

    @Test("a tree arrives as it is: names, contents, modes, times, links")
    func whole() throws {
        let (source, home) = (try Self.source(), try Folder())
        let node = try TestNode(home.path)
        let tree = try TreeSurvey.run(source.path)
        let brought = try node.bring(tree)
        #expect(try TestNode.digest(brought.path) == tree.digest)
        #expect(brought.path == node.store.root(tree.digest))
        #expect(!Files.exists(node.store.part(tree.digest)))
        // Once there it is only asked for.
        let again = try node.bring(tree, for: JobID(2))
        #expect(again.path == brought.path)
        #expect(again.sent < 2000)
    }

    @Test("zeros take no room, neither on the way nor there")
    func zeros() throws {
        let (source, home) = (try Folder(), try Folder())
        let node = try TestNode(home.path)
        var bytes = [UInt8](repeating: 0, count: 6 << 20)
        bytes[3 << 20] = 1
        try Files.writeAtomically(source.path + "/sparse", bytes, durable: false)
        let tree = try TreeSurvey.run(source.path)
        let brought = try node.bring(tree)
        #expect(brought.sent < 50_000)
        #expect(try TestNode.digest(brought.path) == tree.digest)
        var status = stat()
        #expect(stat(brought.path + "/sparse", &status) == 0)
        #expect(status.st_blocks * 512 < 3 << 20)
    }

    @Test("of a changed tree only what changed travels, and the rest is the same files")
    func delta() throws {
        let (source, home) = (try Self.source(), try Folder())
        let node = try TestNode(home.path)
        let first = try node.bring(try TreeSurvey.run(source.path))
        var large = ChunkCutTests.bytes(3 << 20)
        large.insert(7, at: 1 << 20)
        try Files.writeAtomically(source.path + "/large", large, mode: 0o640, durable: false)
        try source.write("code/new.py", "new")
        rename(source.path + "/code/deep/7.py", source.path + "/code/seven.py")
        let tree = try TreeSurvey.run(source.path)
        let second = try node.bring(tree)
        #expect(try TestNode.digest(second.path) == tree.digest)
        #expect(second.sent < 1_500_000, "\(second.sent) of \(first.sent) bytes")
        #expect(
            try TestNode.inode(first.path + "/code/deep/8.py")
                == TestNode.inode(second.path + "/code/deep/8.py"))
        #expect(
            try TestNode.inode(first.path + "/code/deep/7.py")
                == TestNode.inode(second.path + "/code/seven.py"))
        #expect(
            try TestNode.inode(first.path + "/large") != TestNode.inode(second.path + "/large"))
    }

    @Test("what came before a line was cut does not come again", arguments: [0, 1, 2, 3])
    func resumed(_ round: Int) throws {
        let (source, home) = (try Self.source(), try Folder())
        let node = try TestNode(home.path)
        let tree = try TreeSurvey.run(source.path)
        let all = try node.bring(tree)
        node.store.releaseAll(but: [])
        #expect(node.store.hide(tree.digest.hex))
        #expect(throws: TreeError.self) { try node.bring(tree, most: 1_200_000 + round * 500_000) }
        // A record that a killed process had begun.
        let pack = node.store.part(tree.digest) + "/pack"
        let file = try OwnedFD.open(pack, O_WRONLY | O_APPEND)
        try Files.writeAll(file.raw, [UInt8](repeating: 1, count: 20 + round * 10), pack)
        try Files.makeDirectories(node.store.part(tree.digest) + "/root/code")
        let rest = try node.bring(tree)
        #expect(rest.sent < all.sent - 700_000, "\(rest.sent) of \(all.sent) bytes")
        #expect(try TestNode.digest(rest.path) == tree.digest)
    }

    @Test("what was not on disk yet when its machine went down is made anew")
    func powerCut() throws {
        let (source, home) = (try Self.source(), try Folder())
        let node = try TestNode(home.path)
        let tree = try TreeSurvey.run(source.path)
        let first = try node.bring(tree)
        let mark = node.store.tree(tree.digest) + TreeStore.unflushed
        #expect(Files.exists(mark) && node.store.isWhole(tree.digest))
        // What a power cut may leave of a file.
        truncate(first.path + "/code/deep/3.py", 0)
        try Files.writeAtomically(mark, "another boot".utf8)
        let second = try node.bring(tree)
        #expect(second.sent > 1_000_000)
        #expect(try TestNode.digest(second.path) == tree.digest)
        node.store.flush()
        #expect(!Files.exists(mark) && node.store.isWhole(tree.digest))
    }

    @Test("bytes that are not what they are said to be make no tree")
    func damaged() throws {
        let (source, home) = (try Self.source(), try Folder())
        let node = try TestNode(home.path)
        let tree = try TreeSurvey.run(source.path)
        for place in [900_000, 2_200_000] {
            var passed = 0
            let error = #expect(throws: TreeError.self) {
                try node.bring(
                    tree,
                    spoil: { bytes in
                        var bytes = bytes
                        if (passed..<passed + bytes.count).contains(place) {
                            bytes[place - passed] ^= 0x10
                        }
                        passed += bytes.count
                        return bytes
                    })
            }
            #expect(error?.kind == .corrupt, "\(error.map { "\($0)" } ?? "")")
            #expect(!Files.exists(node.store.root(tree.digest)))
        }
        #expect(try TestNode.digest(try node.bring(tree).path) == tree.digest)
    }

    @Test("a file of the node's that somebody changed is no donor")
    func changedDonor() throws {
        let (source, home) = (try Self.source(), try Folder())
        let node = try TestNode(home.path)
        let first = try node.bring(try TreeSurvey.run(source.path))
        let file = try OwnedFD.open(first.path + "/large", O_WRONLY)
        try Files.writeAll(file.raw, Array("spoilt".utf8), "large")
        chmod(source.path + "/large", 0o600)
        let tree = try TreeSurvey.run(source.path)
        let second = try node.bring(tree)
        #expect(try TestNode.digest(second.path) == tree.digest)
    }

    @Test("a file that has changed since the survey is told, and none of it arrives")
    func changedSource() throws {
        let (source, home) = (try Self.source(), try Folder())
        let node = try TestNode(home.path)
        let tree = try TreeSurvey.run(source.path)
        try source.write("code/deep/5.py", "other")
        let error = #expect(throws: TreeError.self) { try node.bring(tree) }
        #expect(error?.kind == .changed)
        #expect(error?.description.contains("code/deep/5.py has changed") == true)
        #expect(!Files.exists(node.store.root(tree.digest)))
    }

    @Test("a list that is not the one that was ordered is refused")
    func anotherManifest() throws {
        let (source, other, home) = (try Self.source(), try Folder(), try Folder())
        let node = try TestNode(home.path)
        try other.write("one", "1")
        let tree = try TreeSurvey.run(other.path)
        let wrong = SurveyedTree(
            source.path, tree.manifest, try TreeSurvey.run(source.path).bytes, skipped: [],
            bytesRead: 0)
        let forged = try TreeSurvey.run(source.path)
        #expect(wrong.digest == forged.digest)
        // What follows asks for pieces that the head's tree has not.
        #expect(throws: TreeError.self) { try node.bring(wrong) }
    }

    @Test("a tree above the budget is refused, with its size and what to do")
    func budget() throws {
        let (source, home) = (try Self.source(), try Folder())
        let node = try TestNode(home.path)
        let error = #expect(throws: TreeError.self) {
            try node.bring(try TreeSurvey.run(source.path), budget: 1 << 20)
        }
        #expect(error?.kind == .tooLarge)
        let text = error.map { "\($0)" } ?? ""
        #expect(text.contains(source.path) && text.contains("MARTLET_MOUNT_BUDGET"), "\(text)")
    }

    @Test("what no job holds goes first where it was wanted longest ago, and what one holds stays")
    func pruning() throws {
        let (source, home) = (try Self.source(), try Folder())
        let node = try TestNode(home.path)
        var trees: [SurveyedTree] = []
        for version in 0..<3 {
            try Files.writeAtomically(
                source.path + "/large",
                ChunkCutTests.bytes(1 << 20, seed: UInt64(version + 10)), durable: false)
            let tree = try TreeSurvey.run(source.path)
            _ = try node.bring(tree, for: JobID(Int64(version)))
            // The later the more lately wanted.
            var times = [timespec(), timespec()]
            for place in times.indices { times[place].tv_sec = 1_000_000 + version }
            utimensat(AT_FDCWD, node.store.tree(tree.digest), times, 0)
            trees.append(tree)
        }
        func here() -> [Bool] { trees.map { Files.exists(node.store.root($0.digest)) } }
        node.store.prune(budget: 0)
        #expect(here() == [true, true, true])
        node.store.release(JobID(0))
        node.store.releaseAll(but: [JobID(1)])
        // The first and the last are nobody's.
        node.store.prune(budget: 3 << 20 + 20_000)
        #expect(here() == [true, true, true])
        node.store.prune(budget: 2 << 20 + 20_000)
        #expect(here() == [false, true, true])
        node.store.prune(budget: 0)
        #expect(here() == [false, true, false])
        node.store.releaseAll(but: [])
        node.store.prune(budget: 0)
        #expect(here() == [false, false, false])
        let left = try Files.names(in: node.store.directory).filter { !$0.hasPrefix("lock") }
        #expect(left == [])
    }

    @Test("a machine is taken to see the same only where it must be the same")
    func witness() throws {
        let folder = try Folder()
        let own = try TreeWitness(folder.path)
        #expect(own.isSame(as: try TreeWitness(folder.path)))
        #expect(TreeLook.sees(own))
        var other = own
        // A disk of another machine may have the same numbers.
        other.boot = "another"
        #expect(!own.isSame(as: other))
        (other.fileSystem, other.device) = (0x6969, 99)
        var nfs = own
        nfs.fileSystem = 0x6969
        #expect(nfs.isSame(as: other))
        other.changed += 1
        #expect(!nfs.isSame(as: other))
        var gone = own
        gone.path += "/gone"
        #expect(!TreeLook.sees(gone))
    }
}

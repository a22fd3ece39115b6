import Glibc
import LinuxSystem
import Testing

@testable import TreeSync

@Suite("Surveys")
struct SurveyTests {
    /// Late enough for nothing to be written at the same time.
    private static var later: Int64 { Clock.now() / 1000 + 60 }

    private static func tree() throws -> Folder {
        let folder = try Folder()
        for name in ["a", "a/b", "empty"] { try Files.makeDirectories(folder.path + "/" + name) }
        try folder.write("a/b/one", "1")
        try folder.write("two", "22")
        try folder.write("a/nothing", "")
        try folder.link("a/out", to: "/etc/passwd")
        try folder.link("dangling", to: "nowhere")
        return folder
    }

    @Test("a tree is its names, kinds, modes, times and contents, and nothing behind its links")
    func survey() throws {
        let folder = try Self.tree()
        chmod(folder.path + "/two", 0o4750)
        let manifest = try TreeSurvey.run(folder.path).manifest
        let paths = manifest.entries.indices.map(manifest.text)
        #expect(
            paths == [
                ".", "a", "dangling", "empty", "two", "a/b", "a/nothing", "a/out", "a/b/one",
            ])
        #expect(manifest.entries[4].mode == 0o750)
        #expect(manifest.entries[7].kind == .link(Array("/etc/passwd".utf8)))
        #expect(manifest.size == 3)
        #expect(try TreeManifest(bytes: manifest.bytes) == manifest)
    }

    @Test("what is neither file nor directory nor link is left, and named")
    func special() throws {
        let folder = try Self.tree()
        mkfifo(folder.path + "/a/pipe", 0o600)
        let tree = try TreeSurvey.run(folder.path)
        #expect(tree.skipped == ["a/pipe"])
        #expect(tree.manifest.entries.count == 9)
    }

    @Test("a second survey of what nobody changed reads no contents, and finds the same")
    func cache() throws {
        let (folder, other) = (try Self.tree(), try Folder())
        let cache = other.path + "/cache"
        let first = try TreeSurvey.run(folder.path, cache: cache, at: Self.later)
        let second = try TreeSurvey.run(folder.path, cache: cache, at: Self.later)
        #expect(first.bytesRead == 3)
        #expect(second.bytesRead == 0)
        #expect(first.digest == second.digest)
        // The same length and the same time: its status change tells.
        try folder.write("a/b/new", "2")
        rename(folder.path + "/a/b/new", folder.path + "/a/b/one")
        let third = try TreeSurvey.run(folder.path, cache: cache, at: Self.later)
        #expect(third.bytesRead == 1)
        #expect(third.digest != first.digest)
    }

    @Test("what was written just as it was read is read again")
    func racy() throws {
        let (folder, other) = (try Self.tree(), try Folder())
        let cache = other.path + "/cache"
        for _ in 0..<2 {
            let now = Clock.now() / 1000
            #expect(try TreeSurvey.run(folder.path, cache: cache, at: now).bytesRead == 3)
        }
    }

    @Test("of a tree that is larger than it may be nothing is read")
    func limit() throws {
        let folder = try Self.tree()
        for source in [folder.path, folder.path + "/two"] {
            let error = #expect(throws: TreeError.self) {
                try TreeSurvey.run(source, limit: 1) { _, bytes in #expect(bytes == 0) }
            }
            #expect(error?.kind == .tooLarge)
        }
        #expect(try TreeSurvey.run(folder.path, limit: 3).manifest.size == 3)
    }

    @Test("directories that are never to go along do not, under whatever name")
    func without() throws {
        let folder = try Self.tree()
        try folder.link("b", to: "a/b")
        let tree = try TreeSurvey.run(folder.path, without: [folder.path + "/b", "/nowhere"])
        let paths = tree.manifest.entries.indices.map(tree.manifest.text)
        #expect(!paths.contains("a/b") && paths.contains("a/out") && paths.contains("b"))
    }

    @Test("a damaged cache is none")
    func damagedCache() throws {
        let (folder, other) = (try Self.tree(), try Folder())
        let cache = other.path + "/cache"
        let first = try TreeSurvey.run(folder.path, cache: cache, at: Self.later)
        var bytes = try Files.read(cache)
        bytes[bytes.count / 2] ^= 1
        try Files.writeAtomically(cache, bytes)
        let second = try TreeSurvey.run(folder.path, cache: cache, at: Self.later)
        #expect(second.bytesRead == 3)
        #expect(second.digest == first.digest)
    }

    @Test("a file whose length and contents do not agree is never taken for one")
    func torn() throws {
        // The kernel's own files have 0 bytes and can be read: so does a file that is written meanwhile look.
        let error = #expect(throws: TreeError.self) { try TreeSurvey.run("/proc/version") }
        #expect(error?.kind == .changed)
        #expect(error?.description.contains("version changes while it is read") == true)
    }

    @Test("one file is a tree of one file")
    func single() throws {
        let folder = try Self.tree()
        let tree = try TreeSurvey.run(folder.path + "/two")
        #expect(tree.manifest.isFile)
        #expect(tree.manifest.entries.map(\.name) == [[], Array("two".utf8)])
        #expect(try TreeReader(tree).bytes(of: 0) == Array("22".utf8))
        #expect(throws: TreeError.self) { try TreeSurvey.run("/dev/null") }
    }

    @Test("pieces are given as they were surveyed, or not at all")
    func reader() throws {
        let folder = try Self.tree()
        let bytes = ChunkCutTests.bytes(3 << 20)
        try Files.writeAtomically(folder.path + "/large", bytes, durable: false)
        let tree = try TreeSurvey.run(folder.path)
        let chunks = tree.manifest.chunks.indices
        let reader = try TreeReader(tree)
        let read = try chunks.map(reader.bytes).joined()
        #expect(Array(read) == bytes + Array("221".utf8))
        var changed = bytes
        changed[2 << 20] ^= 1
        try Files.writeAtomically(folder.path + "/large", changed, durable: false)
        try Files.writeAtomically(folder.path + "/two", Array("2".utf8), durable: false)
        unlink(folder.path + "/a/b/one")
        let again = try TreeReader(tree)
        var refused = 0
        for chunk in chunks {
            do throws(TreeError) { _ = try again.bytes(of: chunk) } catch {
                #expect(error.kind == .changed)
                refused += 1
            }
        }
        #expect(refused == 3)
    }

    @Test("a directory that becomes a link leads nowhere")
    func swapped() throws {
        let folder = try Self.tree()
        let tree = try TreeSurvey.run(folder.path)
        rename(folder.path + "/a", folder.path + "/was")
        try folder.link("a", to: "was")
        let reader = try TreeReader(tree)
        #expect(throws: TreeError.self) {
            for chunk in tree.manifest.chunks.indices { _ = try reader.bytes(of: chunk) }
        }
    }
}

import CLinux
import Foundation
import OCISpec
import Registry
import Testing

@testable import ImageStore
@testable import Layers

/// One directory that several machines have as their store.
@Suite("Stores on shared file systems")
struct SharedStoreTests {
    private static let one = StoreNode(machine: "one/1", boot: "boot-1", isShared: true)
    private static let two = StoreNode(machine: "two/2", boot: "boot-2", isShared: true)

    private func store(_ scratch: Scratch, _ node: StoreNode, _ sync: StoreSync = .fileSystem)
        -> ImageStore
    {
        var settings = StoreSettings()
        settings.flushes = false
        settings.node = node
        settings.sync = sync
        settings.registry = RegistrySettings(environment: ["HOME": scratch.path])
        return ImageStore(dataDirectory: scratch.path + "/data", settings: settings)
    }

    private func imported(_ scratch: Scratch, _ store: ImageStore) throws -> StoredImage {
        var tar = TarBuilder()
        tar.file("a", "kept")
        return try store.importImage(try scratch.layout([tar.archive]), tag: "image:1")
    }

    private func inode(_ path: String) -> ino_t {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_ino : 0
    }

    @Test(
        "who trusts a layer that another one has not flushed",
        arguments: [
            (two, true), (one, true),
            (StoreNode(machine: "one/1", boot: "boot-9", isShared: true), false),
            (StoreNode(machine: "two/2", boot: "boot-2", isShared: false), false),
            // The same machine under another name, as containers of it have them.
            (StoreNode(machine: "pod/", boot: "boot-1", isShared: false), true),
        ])
    func trust(node: StoreNode, trusts: Bool) throws {
        let scratch = try Scratch()
        let image = try imported(scratch, store(scratch, Self.one))
        let before = inode(image.layers[0])
        let other = store(scratch, node)
        #expect(try other.verify().damage.isEmpty == trusts)
        #expect(try other.ensure("image:1", options: PullOptions(policy: .never)) == image)
        #expect((inode(image.layers[0]) == before) == trusts, "unpacked again where it is in doubt")
    }

    @Test("this machine's own file systems are not shared")
    func local() throws {
        let scratch = try Scratch()
        let image = try imported(scratch, store(scratch, Self.one))
        let before = inode(image.layers[0])
        let foreign = StoreNode(machine: "two/2", boot: "boot-2")
        _ = try store(scratch, foreign).ensure("image:1", options: PullOptions(policy: .never))
        #expect(inode(image.layers[0]) != before)
    }

    @Test("a node flushes what it wrote itself")
    func flush() throws {
        let scratch = try Scratch()
        let image = try imported(scratch, store(scratch, Self.one))
        let mark = image.layers[0] + ".unsynced"
        store(scratch, Self.two).flush()
        #expect(FileManager.default.fileExists(atPath: mark))
        store(scratch, Self.one).flush()
        #expect(!FileManager.default.fileExists(atPath: mark))
    }

    @Test("flushed file by file layers are trusted after a crash, never flushed they are not")
    func ways() throws {
        for (sync, isTrusted) in [(StoreSync.files, true), (.fileSystem, true), (.never, false)] {
            let scratch = try Scratch()
            let writer = store(scratch, Self.one, sync)
            let image = try imported(scratch, writer)
            writer.flush()
            let mark = image.layers[0] + ".unsynced"
            #expect(FileManager.default.fileExists(atPath: mark) != isTrusted, "\(sync)")
        }
    }

    @Test("who finds everything there waits for nobody's lock")
    func readers() throws {
        let scratch = try Scratch()
        let store = store(scratch, Self.one)
        let image = try imported(scratch, store)
        let lock = open(scratch.path + "/data/locks/store", O_RDWR)
        defer { close(lock) }
        #expect(flock(lock, LOCK_EX) == 0)
        #expect(try store.ensure("image:1") == image)
        #expect(try store.ensure(scratch.path).layers == [scratch.path])
        #expect(try store.verify().damage.isEmpty)
        #expect(store.list().count == 1)
    }
}

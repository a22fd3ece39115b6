import CLinux
import Foundation
import OCISpec
import Registry
import Testing

@testable import ImageStore
@testable import Layers

/// What accidents do to a store, what is said of it, and how it becomes whole again.
@Suite("Damaged stores")
struct VerifyTests {
    enum Accident: String, CaseIterable, Sendable {
        case blobFlipped, blobCut, blobEmptied, blobLost
        case fileFlipped, fileCut, fileEmptied, fileLost, fileAdded, modeChanged, timeChanged
        case listCut, listLost, layerLost
        case manifestFlipped, configLost, recordCut

        var part: StoreDamage.Part {
            switch self {
            case .blobFlipped, .blobCut, .blobEmptied, .blobLost: .blob
            case .manifestFlipped, .configLost: .document
            case .recordCut: .reference
            default: .layer
            }
        }

        func happen(_ world: World) throws {
            switch self {
            case .blobFlipped: try world.flip(world.blob)
            case .blobCut: truncate(world.blob, 10)
            case .blobEmptied: try world.zero(world.blob)
            case .blobLost: unlink(world.blob)
            case .fileFlipped: try world.flip(world.file)
            case .fileCut: try world.keepingTime(world.file) { truncate(world.file, 10) }
            case .fileEmptied: try world.zero(world.file)
            case .fileLost: unlink(world.file)
            case .fileAdded: try Data("x".utf8).write(to: URL(fileURLWithPath: world.layer + "/x"))
            case .modeChanged: chmod(world.file, 0o4755)
            case .timeChanged: utimensat(AT_FDCWD, world.file, nil, 0)
            case .listCut: truncate(world.layer + ".list", 40)
            case .listLost: unlink(world.layer + ".list")
            case .layerLost: try TreeRemoval.remove(path: world.layer)
            case .manifestFlipped: try world.flip(world.data + "/blobs/sha256/" + world.manifest)
            case .configLost: unlink(world.data + "/blobs/sha256/" + world.config)
            case .recordCut: truncate(world.record, 20)
            }
        }
    }

    /// An image of one layer, pulled from a registry.
    final class World {
        let scratch: Scratch
        let registry: FakeRegistry
        let store: ImageStore
        let name: String
        let image: StoredImage
        let small: SmallImage
        var data: String { scratch.path + "/data" }
        var layer: String { image.layers[0] }
        var file: String { layer + "/etc/noise" }
        var blob: String { data + "/blobs/sha256/" + small.layerDigest.hex }
        var manifest: String { digestOf(small.manifest).hex }
        var config: String { digestOf(small.config).hex }
        var record: String { data + "/references/" + digestOf(name.utf8).hex }

        init() throws {
            scratch = try Scratch()
            let small = try SmallImage(scratch)
            registry = try FakeRegistry { request, _ in small.answer(request) }
            self.small = small
            store = scratch.store()
            name = "\(registry.host)/team/image:1"
            image = try store.ensure(name)
        }

        deinit { registry.close() }

        func pull() throws -> StoredImage {
            try store.ensure(name, options: PullOptions(policy: .always))
        }

        /// As a disk does it: nobody's clock says so.
        func keepingTime(_ path: String, _ body: () throws -> Void) throws {
            var status = stat()
            stat(path, &status)
            try body()
            var times = [status.st_atim, status.st_mtim]
            utimensat(AT_FDCWD, path, &times, 0)
        }

        func flip(_ path: String) throws {
            try keepingTime(path) {
                let file = open(path, O_RDWR)
                defer { close(file) }
                var byte: UInt8 = 0
                pread(file, &byte, 1, 7)
                byte ^= 1
                pwrite(file, &byte, 1, 7)
            }
        }

        func zero(_ path: String) throws {
            try keepingTime(path) {
                let size = try Data(contentsOf: URL(fileURLWithPath: path)).count
                truncate(path, 0)
                truncate(path, off_t(size))
            }
        }
    }

    @Test("an image that has just come is whole, and so is one of every kind of entry")
    func whole() throws {
        let world = try World()
        let summary = try world.store.verify()
        #expect(summary.damage.isEmpty, "\(summary.damage)")
        #expect(summary.images == 1 && summary.layers == 1 && summary.blobs == 3)
        var base = TarBuilder()
        base.directory("a b/c", mode: 0o1777)
        base.file("a b/c/one", "1")
        base.file("gone", "2")
        base.add(TarBuilder.Header("pipe", type: "6"))
        var top = TarBuilder()
        top.file(".wh.gone")
        top.file("a b/c/.wh..wh..opq")
        top.file("a b/c/two", "2", mode: 0)
        var link = TarBuilder.Header("a b/hard", type: "1")
        link.link = Array("a b/c/two".utf8)
        top.add(link)
        var symbolic = TarBuilder.Header("line\nbreak", type: "2")
        symbolic.link = Array("a b".utf8)
        top.add(symbolic)
        _ = try world.store.importImage(
            try world.scratch.layout([base.archive, top.archive]), tag: "kinds:1")
        let again = try world.store.verify(["kinds:1"])
        #expect(again.damage.isEmpty, "\(again.damage)")
        #expect(again.layers == 2)
    }

    @Test(
        "every accident is found and named, and a pull makes the store whole again",
        arguments: Accident.allCases)
    func found(accident: Accident) throws {
        let world = try World()
        try accident.happen(world)
        let found = try world.store.verify().damage
        #expect(found.map(\.part).contains(accident.part), "\(found)")
        #expect(try world.pull() == world.image)
        let left = try world.store.verify().damage
        #expect(left.isEmpty, "\(left)")
        #expect(
            try Data(contentsOf: URL(fileURLWithPath: world.file)).count == 1000,
            "what is mounted is whole, too")
    }

    @Test(
        "what shows without reading a layer heals without a verification",
        arguments: [
            Accident.blobCut, .blobLost, .layerLost, .manifestFlipped, .configLost, .recordCut,
        ])
    func healsAlone(accident: Accident) throws {
        let world = try World()
        try accident.happen(world)
        #expect(try world.pull() == world.image)
        #expect(try world.store.verify().damage.isEmpty)
    }

    @Test("a layer that was found damaged is unpacked again from its blob by the next use")
    func unpackedAgain() throws {
        let world = try World()
        try Accident.fileLost.happen(world)
        let damage = try world.store.verify([world.name]).damage
        #expect(damage.first?.reason.contains("etc/noise is missing") == true, "\(damage)")
        world.registry.close()
        #expect(try world.store.ensure(world.name) == world.image)
        #expect(FileManager.default.fileExists(atPath: world.file))
    }

    @Test("a damaged layer that may be mounted is put aside, and goes once nobody uses an image")
    func putAside() throws {
        let world = try World()
        let job = ImageUser.job(7, stateDirectory: world.scratch.path)
        #expect(try world.store.hold(world.image, for: job))
        let mounted = open(world.layer, O_RDONLY | O_DIRECTORY)
        defer { close(mounted) }
        try Accident.fileAdded.happen(world)
        _ = try world.store.verify()
        _ = try world.pull()
        #expect(faccessat(mounted, "etc/noise", F_OK, 0) == 0, "the job still has its files")
        world.store.release(job)
        _ = try world.store.prune(PruneOptions())
        #expect(faccessat(mounted, "etc/noise", F_OK, 0) != 0)
        #expect(try world.store.verify().damage.isEmpty)
    }

    @Test("a name that the store does not have is an error, and damage of others is not told")
    func named() throws {
        let world = try World()
        #expect(throws: ImageError.self) { try world.store.verify(["none:1"]) }
        _ = try world.store.importImage(
            try world.scratch.layout([TarBuilder().archive], name: "other"), tag: "other:1")
        try Accident.fileLost.happen(world)
        #expect(try world.store.verify(["other:1"]).damage.isEmpty)
    }

    @Test("a file is summed alike with holes and with zeros, however long the holes are")
    func holes() throws {
        let scratch = try Scratch()
        let zeros = [UInt8](repeating: 0, count: 3 << 20)
        let plain = try scratch.file("plain", [1] + zeros + [2] + zeros)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 64)
        defer { buffer.deallocate() }
        func sum(_ path: String) throws -> ContentSum {
            let file = open(path, O_RDONLY)
            defer { close(file) }
            return try ContentSum.of(file, buffer)
        }
        let sparse = scratch.path + "/sparse"
        let file = open(sparse, O_RDWR | O_CREAT, 0o600)
        defer { close(file) }
        for (byte, offset) in [(UInt8(1), 0), (2, zeros.count + 1)] {
            var byte = byte
            pwrite(file, &byte, 1, off_t(offset))
        }
        ftruncate(file, off_t(2 * zeros.count + 2))
        #expect(try sum(sparse) == sum(plain))
        #expect(try sum(sparse) == ContentSum.of([1] + zeros + [2] + zeros))
        ftruncate(file, 1 << 42)
        #expect(try sum(sparse) != sum(plain))
        // The check value of CRC-32C (RFC 3720, B.4): 32 zero bytes.
        #expect(ContentSum.of([UInt8](repeating: 0, count: 32)).value == 0x8A91_36AA)
    }
}

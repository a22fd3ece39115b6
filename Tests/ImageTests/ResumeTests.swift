import Foundation
import OCISpec
import Registry
import Synchronization
import Testing

@testable import ImageStore
@testable import Layers

/// A pull that ended before its time, and the next one.
@Suite("Interrupted pulls")
struct ResumeTests {
    /// A registry that gives no more than the first chunks of the layer until it is mended.
    private struct Broken {
        static let chunk = 100_000
        static let given = 3
        let scratch: Scratch
        let image: SmallImage
        let registry: FakeRegistry
        let isMended = Shared(false)
        let answersRanges = Shared(true)

        final class Shared: Sendable {
            private let value: Mutex<Bool>
            init(_ value: Bool) { self.value = Mutex(value) }
            var now: Bool { value.withLock { $0 } }
            func set(_ new: Bool) { value.withLock { $0 = new } }
        }

        init() throws {
            scratch = try Scratch()
            let image = try SmallImage(scratch, size: 800_000)
            let (isMended, answersRanges) = (isMended, answersRanges)
            self.image = image
            registry = try FakeRegistry { request, _ in
                guard request.path == image.blobPath else { return image.answer(request) }
                if isMended.now, !answersRanges.now {
                    return FakeRegistry.Answer(body: image.layer)
                }
                let isGiven = (request.rangeStart ?? 0) < Self.given * Self.chunk
                return isGiven || isMended.now
                    ? image.answer(request) : FakeRegistry.Answer(status: 503)
            }
        }

        /// As another process would.
        func pull(chunk: Int = chunk) throws -> StoredImage {
            var settings = StoreSettings()
            settings.registry = RegistrySettings(environment: ["HOME": scratch.path])
            settings.registry.firstDelay = 0.01
            settings.registry.chunkSize = Int64(chunk)
            return try ImageStore(dataDirectory: scratch.path + "/data", settings: settings)
                .ensure("\(registry.host)/team/image:1")
        }

        var partial: String { scratch.path + "/data/partials/" + image.layerDigest.hex }
        var blob: String { scratch.path + "/data/blobs/sha256/" + image.layerDigest.hex }

        /// First bytes of the ranges that were asked for, from the given request on.
        func starts(from first: Int) -> [Int] {
            registry.requests("GET", image.blobPath).dropFirst(first).map { $0.rangeStart ?? 0 }
        }

        func expectWhole() throws {
            #expect(try Array(Data(contentsOf: URL(fileURLWithPath: blob))) == image.layer)
            #expect(!FileManager.default.fileExists(atPath: partial))
        }
    }

    @Test("goes on where the last one ended, and asks for nothing twice")
    func resumes() throws {
        let broken = try Broken()
        defer { broken.registry.close() }
        #expect(throws: ImageError.self) { try broken.pull() }
        let asked = broken.starts(from: 0).count
        broken.isMended.set(true)
        _ = try broken.pull()
        let starts = broken.starts(from: asked)
        #expect(!starts.isEmpty && starts.allSatisfy { $0 >= Broken.given * Broken.chunk })
        try broken.expectWhole()
    }

    @Test("also where the registry has forgotten ranges meanwhile, or the chunks have another size")
    func otherWays() throws {
        for chunk in [Broken.chunk, 65_536] {
            let broken = try Broken()
            defer { broken.registry.close() }
            #expect(throws: ImageError.self) { try broken.pull() }
            broken.answersRanges.set(chunk != Broken.chunk)
            broken.isMended.set(true)
            _ = try broken.pull(chunk: chunk)
            try broken.expectWhole()
        }
    }

    @Test("fetches all of it anew where what was left is damaged")
    func damaged() throws {
        let broken = try Broken()
        defer { broken.registry.close() }
        #expect(throws: ImageError.self) { try broken.pull() }
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: broken.partial))
        try file.seek(toOffset: 150_000)
        try file.write(contentsOf: Data(count: 50_000))
        try file.close()
        broken.isMended.set(true)
        _ = try broken.pull()
        try broken.expectWhole()
    }

    @Test("a removal sweeps up what was left")
    func removal() throws {
        let broken = try Broken()
        defer { broken.registry.close() }
        #expect(throws: ImageError.self) { try broken.pull() }
        #expect(FileManager.default.fileExists(atPath: broken.partial))
        let store = broken.scratch.store()
        var tar = TarBuilder()
        tar.file("a", "a")
        _ = try store.importImage(try broken.scratch.layout([tar.archive]), tag: "other:1")
        _ = try store.remove("other:1")
        #expect(!FileManager.default.fileExists(atPath: broken.partial))
    }
}

import Foundation
import OCISpec
import Synchronization
import Testing

@testable import ImageStore
@testable import Layers
@testable import Registry

@Suite("Compressed layers")
struct DecompressionTests {
    private static let payload: TarBuilder = {
        var tar = TarBuilder()
        var generator = SystemRandomNumberGenerator()
        for number in 0..<40 {
            let noise = (0..<3000).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
            tar.add(
                TarBuilder.Header("noise\(number)"), noise + [UInt8](repeating: 65, count: 40_000))
        }
        return tar
    }()

    private func count(
        _ scratch: Scratch, _ blob: [UInt8], _ inflater: Inflater, limit: Int64 = 1 << 30
    ) throws -> Int {
        let path = try scratch.file("blob-" + UUID().uuidString, blob)
        let descriptor = open(path, O_RDONLY)
        defer { close(descriptor) }
        let lane = try HashLane()
        defer { _ = lane.finish() }
        let reader = BlobReader(
            descriptor: descriptor, size: Int64(blob.count), arrival: nil, lane: lane)
        let decoded = Mutex<Int64>(0)
        try ArchivePipe.run(try makeDecompressor(reader, inflater: inflater.makeEngine), lane) {
            pipe throws(LayerError) in
            let stream = ArchiveStream(pipe, limit: limit)
            try stream.drain()
            decoded.withLock { $0 = stream.decoded }
        }
        return Int(decoded.withLock { $0 })
    }

    @Test(
        "gzip by both libraries: one member, many members, zero padding",
        arguments: Inflater.allCases, Inflater.allCases)
    func gzip(inflater: Inflater, deflater: Inflater) throws {
        let scratch = try Scratch()
        let archive = Self.payload.archive
        let whole = try scratch.gzip(archive, with: deflater)
        #expect(try count(scratch, whole, inflater) == archive.count)
        // bgzip and eStargz write thousands of members.
        var members: [UInt8] = []
        for start in stride(from: 0, to: archive.count, by: 50_001) {
            members += try scratch.gzip(
                Array(archive[start..<min(start + 50_001, archive.count)]), with: deflater)
        }
        #expect(try count(scratch, members, inflater) == archive.count)
        #expect(
            try count(scratch, whole + [UInt8](repeating: 0, count: 700), inflater) == archive.count
        )
    }

    @Test("a header with every optional field is read", arguments: Inflater.allCases)
    func header(inflater: Inflater) throws {
        let scratch = try Scratch()
        var blob = try scratch.gzip([1, 2, 3])
        blob[3] = 4 | 8 | 16 | 2
        blob.replaceSubrange(
            10..<10, with: [3, 0, 9, 9, 9] + Array("name\u{0}comment\u{0}".utf8) + [0, 0])
        #expect(try count(scratch, blob, inflater) == 3)
    }

    @Test("damaged gzip is an error", arguments: Inflater.allCases)
    func damagedGzip(inflater: Inflater) throws {
        let scratch = try Scratch()
        let good = try scratch.gzip(Self.payload.archive)
        var flipped = good
        flipped[good.count / 2] ^= 0x10
        var checksum = good
        checksum[good.count - 6] ^= 1
        var length = good
        length[good.count - 1] ^= 1
        let bad: [String: [UInt8]] = [
            "a flipped bit": flipped, "a wrong CRC": checksum, "a wrong length": length,
            "cut in the data": Array(good.dropLast(3000)),
            "cut in the trailer": Array(good.dropLast(3)),
            "garbage after it": good + [1, 2, 3], "cut in the header": Array(good.prefix(7)),
            "padding that is none": good + [0, 0, 7],
        ]
        for (name, blob) in bad {
            let error = #expect(throws: LayerError.self, "\(name)") {
                try count(scratch, blob, inflater)
            }
            #expect(error?.kind == .corrupt, "\(name)")
        }
    }

    /// A zstd frame of raw blocks (RFC 8878 §3.1.1), without a checksum.
    static func zstd(_ bytes: [UInt8]) -> [UInt8] {
        var frame: [UInt8] = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58]
        let blocks = stride(from: 0, to: max(bytes.count, 1), by: 100_000).map {
            Array(bytes[$0..<min($0 + 100_000, bytes.count)])
        }
        for (index, block) in blocks.enumerated() {
            let header = block.count << 3 | (index == blocks.count - 1 ? 1 : 0)
            frame += [UInt8(header & 0xff), UInt8(header >> 8 & 0xff), UInt8(header >> 16)] + block
        }
        return frame
    }

    @Test("zstd: several frames, skippable ones among them; what is cut is an error")
    func zstd() throws {
        let scratch = try Scratch()
        let archive = Self.payload.archive
        let half = archive.count / 2
        let skippable: [UInt8] = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]
        let blob =
            Self.zstd(Array(archive[..<half])) + skippable + Self.zstd(Array(archive[half...]))
        #expect(try count(scratch, blob, .isal) == archive.count)
        #expect(try count(scratch, skippable + blob, .isal) == archive.count)
        #expect(throws: LayerError.self) { try count(scratch, Array(blob.dropLast(1000)), .isal) }
        #expect(throws: LayerError.self) { try count(scratch, blob + [1, 2, 3, 4, 5], .isal) }
    }

    @Test("a zstd frame that wants a window of 2 GiB is refused")
    func window() throws {
        let scratch = try Scratch()
        // A window descriptor (RFC 8878 §3.1.1.1.2) of 2^(10 + 21), and one of 2^(10 + 17), 128 MiB.
        var wide = Self.zstd(Self.payload.archive)
        wide[5] = 21 << 3
        let error = #expect(throws: LayerError.self) { try count(scratch, wide, .isal) }
        #expect(error?.kind == .corrupt)
        wide[5] = 17 << 3
        #expect(try count(scratch, wide, .isal) == Self.payload.archive.count)
    }

    @Test("what stands behind the end of an archive belongs to its digest")
    func behindTheEnd() throws {
        let scratch = try Scratch()
        var tar = TarBuilder()
        tar.file("a", "x")
        let archive = tar.archive + [UInt8](repeating: 7, count: 3000)
        #expect(try scratch.store().ensure(try scratch.layout([archive])).layers.count == 1)
        let error = #expect(throws: ImageError.self) {
            try scratch.store("other").ensure(
                try scratch.layout([archive], name: "tampered", diffIDs: [digestOf(tar.archive)]))
        }
        #expect(error?.kind == .corrupt)
    }

    @Test("a blob is not judged by a first piece shorter than its magic number")
    func firstPiece() throws {
        let scratch = try Scratch()
        let descriptor = open(try scratch.file("blob", []), O_RDWR)
        defer { close(descriptor) }
        let download = BlobDownload(
            reference: try ImageReference("a"), digest: digestOf([UInt8]()), size: 1000,
            descriptor: descriptor, chunkSize: 1 << 20)
        #expect([UInt8]([0x1f, 0x8b]).withUnsafeBytes { download.take($0, 0) })
        download.fail(RegistryError(.cancelled, "GET", "blob", "it ends here"))
        let lane = try HashLane()
        defer { _ = lane.finish() }
        let reader = BlobReader(
            descriptor: descriptor, size: 1000,
            arrival: DownloadArrival(download: download, image: "a"),
            lane: lane)
        #expect(throws: LayerError.self) { try reader.next() }
    }

    @Test("a layer that unpacks to more than its limit is refused")
    func bomb() throws {
        let scratch = try Scratch()
        let blob = try scratch.gzip([UInt8](repeating: 0, count: 20 << 20))
        let error = #expect(throws: LayerError.self) {
            try count(scratch, blob, .isal, limit: 10 << 20)
        }
        #expect(error?.kind == .hostile)
    }
}

import Glibc

@testable import ImageStore
@testable import Layers

// Bytes as the blob of a layer, in whatever form: reading ends in entries or an error, within memory that is bounded.

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzArchive(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var bytes = Array(UnsafeBufferPointer(start: start, count: count))
    let isPlain = bytes.withUnsafeBytes {
        if case .none = Compression(magic: $0) { true } else { false }
    }
    if isPlain { mendChecksums(&bytes) }
    do {
        try read(bytes)
    } catch {
        guard !error.reason.isEmpty else { fatalError("an error that says nothing") }
    }
    return 0
}

private let limits = LayerLimits(bytes: 64 << 20, entries: 10_000, header: 1 << 16)

private func read(_ bytes: [UInt8]) throws(LayerError) {
    let blob = MemoryFile(bytes)
    let lane = try HashLane()
    defer { _ = lane.finish() }
    let source = BlobReader(
        descriptor: blob.descriptor, size: Int64(bytes.count), arrival: nil, lane: lane)
    try ArchivePipe.run(try makeDecompressor(source, inflater: Inflater.isal.makeEngine), lane) {
        pipe throws(LayerError) in
        try readEntries(ArchiveStream(pipe, limit: limits.bytes))
    }
}

private func readEntries(_ stream: ArchiveStream) throws(LayerError) {
    let reader = TarReader(stream, limits: limits)
    while let entry = try reader.next() {
        guard entry.mode <= 0o7777, entry.uid != .max, entry.gid != .max,
            (0...limits.bytes).contains(entry.size), entry.modified.seconds >= 0,
            (0..<1_000_000_000).contains(entry.modified.nanoseconds)
        else { fatalError("\(entry)") }
        var left = entry.size
        while true {
            let content = try reader.content(4096)
            if content.isEmpty { break }
            left -= Int64(content.count)
        }
        guard left == 0 else { fatalError("\(left) bytes of \(entry) are left") }
    }
    try stream.drain()
}

/// Chance does not find a sum: each header that the sizes lead to gets the right one.
private func mendChecksums(_ bytes: inout [UInt8]) {
    var at = 0
    while at + 512 <= bytes.count {
        let block = Array(bytes[at..<at + 512])
        if block[0] == 0 {
            at += 512
            continue
        }
        let summed = TarBuilder.Header.summed(block)
        bytes.replaceSubrange(at..<at + 512, with: summed)
        let size = TarHeader(summed)?.size ?? 0
        guard (0...Int64(bytes.count)).contains(size) else { return }
        at += 512 + (Int(size) + 511) / 512 * 512
    }
}

let seeds: [[UInt8]] =
    LayerCase.all.flatMap { $0.build().map(\.archive) }
    + [LayerCase.formats().archive, LayerCase.attributes().archive].flatMap { archive in
        [Packed.gzip(archive, .isal), Packed.gzip(archive, .zlib), Packed.zstd(archive)]
    }

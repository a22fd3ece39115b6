internal import Glibc
package import OCISpec
internal import Threads

/// From a layer's blob to its uncompressed archive, and the proof that it is the right one.
package struct LayerExpansion {
    package let inflater: InflaterMaker
    package let limits: LayerLimits

    package init(inflater: @escaping InflaterMaker, limits: LayerLimits) {
        self.inflater = inflater
        self.limits = limits
    }

    /// Writes the archive to `target` (nil: nowhere) and returns its size. Throws where either digest is another.
    package func run(
        _ blob: Int32, size: Int64, digest: Digest?, diffID: Digest, to target: Int32?
    ) throws(LayerError) -> Int64 {
        let lane = try HashLane()
        defer { _ = lane.finish() }
        let reader = BlobReader(descriptor: blob, size: size, arrival: nil, lane: lane)
        let expanded = Monitor(Int64(0))
        if size > 0 {
            let archive = try makeDecompressor(reader, inflater: inflater)
            try ArchivePipe.run(archive, lane) { [limits] pipe throws(LayerError) in
                let stream = ArchiveStream(pipe, limit: limits.bytes)
                while true {
                    let bytes = try stream.take(1 << 20)
                    if bytes.isEmpty { break }
                    if let target { try Raw.writeAll(target, bytes) }
                }
                expanded.withLock { $0 = stream.decoded }
            }
        }
        try reader.drain()
        let (compressed, archive) = lane.finish()
        guard compressed == digest ?? compressed else {
            throw LayerError(.corrupt, "its content has the digest \(compressed)")
        }
        guard archive == diffID else {
            throw LayerError(
                .corrupt, "its archive has the digest \(archive), the image promises \(diffID)")
        }
        return expanded.quietly { $0 }
    }
}

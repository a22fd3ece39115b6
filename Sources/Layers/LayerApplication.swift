internal import Glibc
package import OCISpec
internal import Threads

/// A blob that is to become a layer.
package struct LayerSource: Sendable {
    /// What the manifest promises of the blob; nil where nobody knows yet (an import).
    let digest: Digest?
    let size: Int64
    /// What the configuration promises of the archive in it; nil where nobody knows yet (an import).
    let diffID: Digest?
    /// Open for reading; borrowed.
    let descriptor: Int32
    /// Nil where the file is whole.
    let arrival: (any BlobArrival)?

    package init(
        digest: Digest?, size: Int64, diffID: Digest?, descriptor: Int32,
        arrival: (any BlobArrival)? = nil
    ) {
        self.digest = digest
        self.size = size
        self.diffID = diffID
        self.descriptor = descriptor
        self.arrival = arrival
    }
}

/// A layer in its staging directory: verified, and but for what lies below it, finished.
package struct AppliedLayer {
    package let writer: LayerWriter
    package let diffID: Digest
    package let compressed: Digest
}

/// Blob in, layer out, in one pass: bytes → SHA-256 → inflate → SHA-256 → archive → files, the hashing and the writing each on a
/// thread of its own. Memory: about 3 MiB of buffers.
package struct LayerApplication {
    let form: OverlayForm
    let inflater: InflaterMaker
    let limits: LayerLimits

    package init(form: OverlayForm, inflater: @escaping InflaterMaker, limits: LayerLimits) {
        self.form = form
        self.inflater = inflater
        self.limits = limits
    }

    /// Unpacks into an empty directory and checks both digests and the size. Throws what is wrong; the directory's content is
    /// worth nothing then.
    package func run(_ source: LayerSource, into directory: String, isLowest: Bool)
        throws(LayerError)
        -> AppliedLayer
    {
        guard let root = try Raw.open(AT_FDCWD, Array(directory.utf8).cName, O_RDONLY | O_DIRECTORY)
        else {
            throw LayerError(system: ENOENT, "open the staging directory")
        }
        let writer = LayerWriter(root: root, form: form, limits: limits)
        let lane = try HashLane()
        defer { _ = lane.finish() }
        let blob = BlobReader(
            descriptor: source.descriptor, size: source.size, arrival: source.arrival, lane: lane)
        // An empty blob is an empty layer, seen in the wild.
        if source.size > 0 {
            try write(try makeDecompressor(blob, inflater: inflater), with: writer, lane)
        }
        try blob.drain()
        try writer.finish(isLowest: isLowest)
        let (compressed, archive) = lane.finish()
        guard compressed == source.digest ?? compressed else {
            throw LayerError(.corrupt, "its content has the digest \(compressed)")
        }
        if let diffID = source.diffID, diffID != archive {
            throw LayerError(
                .corrupt, "its archive has the digest \(archive), the image promises \(diffID)")
        }
        return AppliedLayer(writer: writer, diffID: archive, compressed: compressed)
    }

    private struct HandedOver: @unchecked Sendable {
        // @unchecked: its thread alone uses it until the pipe is done.
        let writer: LayerWriter
    }

    private func write(_ archive: any Decompressor, with writer: LayerWriter, _ lane: HashLane)
        throws(LayerError)
    {
        let handed = HandedOver(writer: writer)
        try ArchivePipe.run(archive, lane) { [limits] pipe throws(LayerError) in
            let stream = ArchiveStream(pipe, limit: limits.bytes)
            let reader = TarReader(stream, limits: limits)
            while let entry = try reader.next() { try handed.writer.add(entry, from: reader) }
            try stream.drain()
        }
    }
}

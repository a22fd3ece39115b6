internal import Glibc
internal import Layers
internal import LinuxSystem
internal import OCISpec

/// Content by digest, wherever it lies: in the store, in a registry, in a layout or an archive. Nothing of it is verified here.
protocol ContentSource: Sendable {
    /// A manifest, index or configuration; nil where it is not there.
    func document(_ descriptor: Descriptor) throws(ImageError) -> [UInt8]?
    /// Whether the blob is there, as far as that can be told without fetching it.
    func has(_ blob: Descriptor) -> Bool
    /// The blob, open and whole. `meter` is told of what has to be fetched first.
    func open(_ blob: Descriptor, _ meter: BlobMeter) throws(ImageError) -> BlobFile
}

extension ContentSource {
    /// A document of the promised size and digest.
    func checked(_ descriptor: Descriptor, _ name: String) throws(ImageError) -> [UInt8] {
        guard descriptor.size <= Int64(OCISpec.documentLimit) else {
            throw ImageError(
                .hostile, "read", name,
                "a document of \(descriptor.size) bytes; \(OCISpec.documentLimit) are allowed")
        }
        guard let bytes = try document(descriptor) else {
            throw ImageError(
                .notFound, "read", name, "its document \(descriptor.digest.short) is not there")
        }
        guard Int64(bytes.count) == descriptor.size, digestOf(bytes) == descriptor.digest else {
            throw ImageError(
                .corrupt, "read", name,
                "\(bytes.count) bytes with the digest \(digestOf(bytes)) came, \(descriptor.size) with \(descriptor.digest) were promised"
            )
        }
        return bytes
    }
}

/// An open blob.
final class BlobFile: Sendable {
    private let file: OwnedFD
    var descriptor: Int32 { file.raw }

    init(_ file: consuming OwnedFD) { self.file = file }

    /// Copies all of it to the end of `target`; throws where it is not what was promised.
    func copy(_ blob: Descriptor, to target: Int32) throws(LayerError) {
        try read(blob) { bytes throws(LayerError) in try Raw.writeAll(target, bytes) }
    }

    /// Hands all of it over piece by piece; throws at the end where it was not what was promised.
    func read(_ blob: Descriptor, _ take: (UnsafeRawBufferPointer) throws(LayerError) -> Void)
        throws(LayerError)
    {
        let lane = try HashLane()
        defer { _ = lane.finish() }
        let reader = BlobReader(
            descriptor: descriptor, size: blob.size, arrival: nil, lane: lane)
        while true {
            let bytes = try reader.next()
            if bytes.isEmpty { break }
            try take(bytes)
        }
        let digest = lane.finish().compressed
        guard digest == blob.digest else {
            throw LayerError(.corrupt, "its content has the digest \(digest)")
        }
    }
}

/// The store as it is.
struct StoreContent: ContentSource {
    let blobs: BlobStore

    func document(_ descriptor: Descriptor) -> [UInt8]? { blobs.document(descriptor.digest) }

    func has(_ blob: Descriptor) -> Bool { blobs.has(blob) }

    func open(_ blob: Descriptor, _ meter: BlobMeter) throws(ImageError) -> BlobFile {
        guard let file = blobs.open(blob.digest, size: blob.size) else {
            throw ImageError(
                .notFound, "read", blob.digest.short, "the blob is not in the store",
                hint: "pull, load or import the image again")
        }
        return BlobFile(OwnedFD(file))
    }
}

/// A layout, or an archive that was unpacked to be read.
struct LocalContent: ContentSource {
    let files: LocalFiles
    /// Of content that does not lie where a layout has it.
    var names: [Digest: String] = [:]

    static func name(_ digest: Digest) -> String { "blobs/sha256/" + digest.hex }

    func name(_ digest: Digest) -> String { names[digest] ?? Self.name(digest) }

    func document(_ descriptor: Descriptor) throws(ImageError) -> [UInt8]? {
        let name = name(descriptor.digest)
        return files.has(name) ? try files.read(name) : nil
    }

    func has(_ blob: Descriptor) -> Bool { files.size(name(blob.digest)) == blob.size }

    func open(_ blob: Descriptor, _ meter: BlobMeter) throws(ImageError) -> BlobFile {
        let name = name(blob.digest)
        guard has(blob) else {
            throw ImageError(
                .corrupt, "read", name, "it is missing, or has not the promised \(blob.size) bytes")
        }
        return BlobFile(try files.open(name))
    }
}

internal import Layers
internal import OCISpec

/// An OCI layout in an archive.
final class OCIArchiveTarget: ContentTarget, @unchecked Sendable {
    // @unchecked: it takes one blob at a time, and the one worker has ended before documents come.
    let name: String
    let width = 1
    private let tar: TarWriter
    private var written: Set<Digest> = []
    private var index = LayoutIndex()
    /// What the next root is to be called.
    var names: [String] = []

    init(_ output: ArchiveOutput, name: String) throws(ImageError) {
        self.name = name
        tar = TarWriter(descriptor: output.descriptor)
        try writing(name) { () throws(LayerError) in
            try tar.add("oci-layout", LayoutIndex.layoutFile)
        }
    }

    func put(_ blob: Descriptor, from source: any ContentSource, _ meter: BlobMeter)
        throws(ImageError)
    {
        guard written.insert(blob.digest).inserted else {
            return meter.become(.present) { blob.size }
        }
        let content = try source.open(blob, meter)
        meter.become(.sending)
        try writing(blob.digest.short) { () throws(LayerError) in
            try tar.add(LocalContent.name(blob.digest), content, blob)
        }
        meter.become(.sent) { blob.size }
    }

    func put(_ document: ContentTree.Document, isRoot: Bool) throws(ImageError) {
        let digest = document.descriptor.digest
        if written.insert(digest).inserted {
            try writing(digest.short) { () throws(LayerError) in
                try tar.add(LocalContent.name(digest), document.bytes)
            }
        }
        guard isRoot else { return }
        if names.isEmpty { index.add(document.descriptor, name: nil) }
        for name in names {
            // A tag alone is no name that others could take it by.
            let isWhole = name.contains("/")
            index.add(document.descriptor, name: name, wholeName: isWhole ? name : nil)
        }
    }

    func finish() throws(ImageError) {
        guard let bytes = try? index.bytes() else {
            throw ImageError(.system, "write", name, "its index cannot be encoded")
        }
        try writing(name) { () throws(LayerError) in
            try tar.add("index.json", bytes)
            try tar.finish()
        }
    }
}

func writing<R>(_ subject: String, _ body: () throws(LayerError) -> R) throws(ImageError) -> R {
    do throws(LayerError) {
        return try body()
    } catch {
        throw error.imageError(layer: subject, "write")
    }
}

extension TarWriter {
    /// A whole file of an open blob, which must be what was promised.
    func add(_ name: String, _ content: BlobFile, _ blob: Descriptor) throws(LayerError) {
        var entry = TarEntry(kind: .file, path: Array(name.utf8), mode: 0o644)
        entry.size = blob.size
        try add(entry)
        try content.read(blob) { bytes throws(LayerError) in try write(bytes) }
    }
}

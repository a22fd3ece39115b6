internal import Glibc
internal import LinuxSystem
package import OCISpec

/// Blobs by digest. What has a name here was verified; documents are verified again whenever they are read.
package struct BlobStore: Sendable {
    package let paths: StorePaths
    package init(paths: StorePaths) { self.paths = paths }

    /// Whether a layer's blob is here, as long as it should be: one that a crash of the machine cut short is not.
    package func has(_ descriptor: Descriptor) -> Bool {
        var status = stat()
        return stat(paths.blob(descriptor.digest), &status) == 0
            && status.st_size == descriptor.size
    }

    /// A document, nil where it is not here or is no longer what it was.
    package func document(_ digest: Digest) -> [UInt8]? {
        // Missing or damaged is the same: it is fetched again.
        guard let bytes = try? Files.read(paths.blob(digest), limit: OCISpec.documentLimit),
            digestOf(bytes) == digest
        else { return nil }
        return bytes
    }

    package func put(_ bytes: [UInt8], _ digest: Digest) throws(ImageError) {
        if document(digest) == bytes { return }
        do throws(SystemError) {
            try Files.writeAtomically(paths.blob(digest), bytes, durable: false)
        } catch {
            throw ImageError(system: error, "store \(digest.short)")
        }
    }

    /// An open layer blob of the promised size; nil where it is not here. Its digest is checked while it is used.
    package func open(_ digest: Digest, size: Int64) -> Int32? {
        let descriptor = Glibc.open(paths.blob(digest), O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_size == size else {
            close(descriptor)
            return nil
        }
        return descriptor
    }

    /// What the store itself knows of a record's image, for whatever platform it is; nil where a document is missing.
    package func image(_ record: ReferenceRecord) -> ResolvedImage? {
        // Missing, damaged, or no manifest: nothing can be said of it.
        guard let bytes = document(record.manifest),
            case .manifest(let manifest)? = try? ManifestDocument(bytes),
            let configBytes = document(manifest.config.digest),
            let config = try? ImageConfig(configBytes, layerCount: manifest.layers.count)
        else { return nil }
        return ResolvedImage(
            name: record.reference, manifestDigest: record.manifest, manifest: manifest,
            config: config, resolved: record.resolved)
    }

    /// Every document and blob below a manifest or index, itself included; itself alone where one of its documents is not here.
    package func parts(of digest: Digest) -> Set<Digest> { below(digest, depth: 1) ?? [digest] }

    /// Most indexes within each other.
    private static let indexDepth = 3

    private func below(_ digest: Digest, depth: Int) -> Set<Digest>? {
        guard let bytes = document(digest),
            let document = try? ManifestDocument(bytes, contentType: "", takesArtifacts: true)
        else { return nil }
        var all: Set = [digest]
        switch document {
        case .manifest(let manifest):
            all.formUnion((manifest.layers + [manifest.config]).map(\.digest))
        case .index(let index):
            guard depth < Self.indexDepth else { return nil }
            for entry in index.manifests {
                guard let parts = below(entry.digest, depth: depth + 1) else { return nil }
                all.formUnion(parts)
            }
        }
        return all
    }
}

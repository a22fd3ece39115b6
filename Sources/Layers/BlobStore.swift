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
}

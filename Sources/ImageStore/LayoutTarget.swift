internal import Glibc
internal import Layers
internal import LinuxSystem
internal import OCISpec

/// An OCI layout in a directory of the user's own, made where it is not there.
struct LayoutTarget: ContentTarget {
    let path: String
    /// `org.opencontainers.image.ref.name`; nil for none.
    let tag: String?
    let width = 2
    var name: String { path + (tag.map { ":" + $0 } ?? "") }

    init(_ path: String, tag: String?) throws(ImageError) {
        self.path = path
        self.tag = tag
        do throws(SystemError) {
            try Files.makeDirectories(path + "/blobs/sha256")
            if !Files.exists(path + "/oci-layout") {
                try Files.writeAtomically(path + "/oci-layout", LayoutIndex.layoutFile)
            }
        } catch {
            throw ImageError(system: error, "write \(path)")
        }
    }

    private func file(_ digest: Digest) -> String { path + "/" + LocalContent.name(digest) }

    func put(_ blob: Descriptor, from source: any ContentSource, _ meter: BlobMeter)
        throws(ImageError)
    {
        var status = stat()
        if stat(file(blob.digest), &status) == 0, status.st_size == blob.size {
            return meter.become(.present) { blob.size }
        }
        let content = try source.open(blob, meter)
        meter.become(.sending)
        let temporary = file(blob.digest) + ".new-\(getpid())"
        do throws(LayerError) {
            let target = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
            try Raw.check(target, "create")
            defer { close(target) }
            try content.copy(blob, to: target)
            try Raw.check(rename(temporary, file(blob.digest)), "rename")
        } catch {
            unlink(temporary)
            throw error.imageError(layer: blob.digest.short, "write")
        }
        meter.become(.sent) { blob.size }
    }

    func put(_ document: ContentTree.Document, isRoot: Bool) throws(ImageError) {
        do throws(SystemError) {
            try Files.writeAtomically(file(document.descriptor.digest), document.bytes)
        } catch {
            throw ImageError(system: error, "write \(path)")
        }
        if isRoot { try name(document.descriptor) }
    }

    private func name(_ root: Descriptor) throws(ImageError) {
        var index = LayoutIndex()
        do throws(SystemError) {
            let place = path + "/index.json"
            if Files.exists(place) {
                guard let there = LayoutIndex(try Files.read(place, limit: OCISpec.documentLimit))
                else {
                    throw SystemError(
                        "read", place, errno: EINVAL, hint: "it is no index of an OCI layout")
                }
                index = there
            }
            index.add(root, name: tag)
            // It was just read, or made here.
            guard let bytes = try? index.bytes() else { return }
            try Files.writeAtomically(place, bytes)
        } catch {
            throw ImageError(system: error, "write \(path)")
        }
    }
}

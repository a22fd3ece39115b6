internal import Glibc
internal import Layers
internal import LinuxSystem
internal import OCISpec
internal import Registry

/// A repository to read from. Blobs come through a file of the staging directory, so that either side can break off and go on
/// by itself.
final class RegistryContent: ContentSource {
    let client: RegistryClient
    let reference: ImageReference
    private let pool: DownloadPool
    private let use: StoreUse
    private let chunkSize: Int64

    init(
        _ client: RegistryClient, _ reference: ImageReference, _ use: StoreUse, chunkSize: Int64
    ) throws(ImageError) {
        self.client = client
        self.reference = reference
        self.use = use
        self.chunkSize = chunkSize
        do throws(RegistryError) {
            pool = try DownloadPool(client)
        } catch {
            throw ImageError(error, "read", reference.description)
        }
    }

    func close() { pool.close() }

    /// What the reference means there.
    func root() throws(ImageError) -> ContentTree.Document {
        let name = reference.description
        let answer: ManifestAnswer
        do throws(RegistryError) {
            answer = try client.manifest(reference)
        } catch {
            throw ImageError(error, "read", name)
        }
        let root = try ContentTree.Document(
            answer.bytes, mediaType: MediaType.withoutParameters(answer.contentType), name)
        let promised = reference.digest ?? answer.digest ?? root.descriptor.digest
        guard promised == root.descriptor.digest else {
            throw ImageError(
                .corrupt, "read", name,
                "the manifest's digest is \(root.descriptor.digest), promised was \(promised)")
        }
        return root
    }

    func document(_ descriptor: Descriptor) throws(ImageError) -> [UInt8]? {
        let isManifest =
            MediaType.isManifest(descriptor.mediaType) || MediaType.isIndex(descriptor.mediaType)
        do throws(RegistryError) {
            return isManifest
                ? try client.manifest(reference, digest: descriptor.digest).bytes
                : try client.smallBlob(reference, descriptor.digest)
        } catch {
            if error.kind == .notFound { return nil }
            throw ImageError(error, "read", reference.description)
        }
    }

    func has(_ blob: Descriptor) -> Bool { true }

    func open(_ blob: Descriptor, _ meter: BlobMeter) throws(ImageError) -> BlobFile {
        do throws(LayerError) {
            let file = try fetch(blob, meter)
            return BlobFile(OwnedFD(file))
        } catch {
            throw ImageError(
                error.kind, "read", "\(reference.name)@\(blob.digest.short)", error.reason,
                errno: error.errno)
        }
    }

    /// An open file without a name that holds the blob, verified.
    private func fetch(_ blob: Descriptor, _ meter: BlobMeter) throws(LayerError) -> Int32 {
        let path = use.temporary("blob")
        let file = Glibc.open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        try Raw.check(file, "create")
        unlink(path)
        let download = BlobDownload(
            reference: reference, digest: blob.digest, size: blob.size, descriptor: file,
            chunkSize: chunkSize)
        meter.become(.fetching) { download.received }
        pool.add(download)
        do throws(LayerError) {
            try BlobReader.verify(
                file, blob, DownloadArrival(download: download, image: reference.description))
            download.finish()
            return file
        } catch {
            download.fail(RegistryError(.cancelled, "read", reference.name, "its copy failed"))
            download.finish()
            Glibc.close(file)
            throw error
        }
    }
}

/// A repository to write to.
struct RegistryTarget: ContentTarget {
    let client: RegistryClient
    let reference: ImageReference
    /// Repositories of the same registry that seem to have a blob.
    let mounts: [Digest: String]
    let width: Int
    var name: String { reference.description }

    func put(_ blob: Descriptor, from source: any ContentSource, _ meter: BlobMeter)
        throws(ImageError)
    {
        switch try asked({ () throws(RegistryError) in
            try client.offer(reference, blob.digest, from: mounts[blob.digest])
        }) {
        case .present: meter.become(.present) { blob.size }
        case .mounted: meter.become(.mounted) { blob.size }
        case .wanted(let session):
            let file = try source.open(blob, meter)
            let upload = BlobUpload(
                reference: reference, digest: blob.digest, size: blob.size,
                descriptor: file.descriptor, session: session)
            meter.become(.sending) { upload.sent }
            try asked { () throws(RegistryError) in try client.upload(upload) }
            withExtendedLifetime(file) {}
            meter.become(.sent) { blob.size }
        }
    }

    func put(_ document: ContentTree.Document, isRoot: Bool) throws(ImageError) {
        let place =
            isRoot && reference.tag != nil
            ? reference.withoutDigest : reference.pinned(to: document.descriptor.digest)
        try asked { () throws(RegistryError) in
            try client.putManifest(
                place, document.bytes, mediaType: document.descriptor.mediaType)
        }
    }

    private func asked<R>(_ body: () throws(RegistryError) -> R) throws(ImageError) -> R {
        do throws(RegistryError) {
            return try body()
        } catch {
            throw ImageError(error, "push", name)
        }
    }
}

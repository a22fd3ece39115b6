internal import Layers
internal import LinuxSystem
internal import OCISpec
internal import Registry
internal import Threads

/// A pull's blobs from the registry, over a few connections for all of them.
final class RegistrySupply: BlobSupply {
    private let client: RegistryClient
    private let reference: ImageReference
    /// For people.
    private let image: String
    private let chunkSize: Int64
    private let pool = Monitor<DownloadPool?>(nil)

    init(_ client: RegistryClient, _ reference: ImageReference, _ settings: StoreSettings) {
        self.client = client
        self.reference = reference
        image = reference.description
        chunkSize = settings.registry.chunkSize
    }

    func open() throws(ImageError) {
        do throws(RegistryError) {
            let opened = try DownloadPool(client)
            pool.quietly { $0 = opened }
        } catch {
            throw ImageError(error, "pull", image)
        }
    }

    func close() {
        let opened = pool.quietly { pool in
            defer { pool = nil }
            return pool
        }
        opened?.close()
    }

    func file(_ layer: Descriptor) -> OwnedFD? { nil }

    func begin(_ layer: Descriptor, in file: Int32) throws(ImageError) -> any BlobArrival {
        guard let pool = pool.quietly({ $0 }) else {
            return try NoSupply(image: image).begin(layer, in: file)
        }
        let download = BlobDownload(
            reference: reference, digest: layer.digest, size: layer.size, descriptor: file,
            chunkSize: chunkSize)
        pool.add(download)
        return DownloadArrival(download: download, image: image)
    }
}

/// A download, as a pull sees it.
struct DownloadArrival: BlobArrival {
    let download: BlobDownload
    /// For people.
    let image: String

    var received: Int64 { download.received }
    var resumed: Int64 { download.resumed }

    func wait(past offset: Int64) throws(LayerError) -> Int64 {
        do throws(RegistryError) {
            return try download.wait(past: offset)
        } catch {
            throw LayerError(.cancelled, "the download ended: \(error)")
        }
    }

    func stop(because reason: String) {
        download.fail(RegistryError(.cancelled, "pull", image, reason))
    }

    var failure: BlobFailure? {
        download.reason.map {
            BlobFailure(ImageError($0, "pull", image), isOfThisMachine: $0.isOfThisMachine)
        }
    }

    func finish() { download.finish() }
}

/// A pull's blobs from a layout or an unpacked archive of this machine.
struct FileSupply: BlobSupply {
    let files: LocalFiles
    /// By digest.
    let names: [Digest: String]
    /// For people.
    let image: String

    func open() {}
    func close() {}

    func file(_ layer: Descriptor) throws(ImageError) -> OwnedFD? {
        guard let name = names[layer.digest] else {
            throw ImageError(.corrupt, "read", image, "the layer \(layer.digest) is missing")
        }
        guard files.size(name) == layer.size else {
            throw ImageError(
                .corrupt, "read", image, "\(name) has not the promised \(layer.size) bytes")
        }
        return try files.open(name)
    }

    func begin(_ layer: Descriptor, in file: Int32) throws(ImageError) -> any BlobArrival {
        try NoSupply(image: image).begin(layer, in: file)
    }
}

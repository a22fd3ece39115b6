internal import FoundationEssentials
public import ImageStore
public import JobModel
internal import LinuxSystem
public import NodeLink
internal import OCISpec
internal import Threads

/// How far an image is on its way to one node.
public struct DeliveryProgress: Sendable, Hashable, CustomStringConvertible {
    public var node: String
    /// Compressed bytes of what the node lacked.
    public var done: Int64
    public var total: Int64

    /// `node gpu01: 120 MB of 450 MB`.
    public var description: String { "node \(node): \(amount)" }
    /// `120 MB of 450 MB`.
    var amount: String { "\(DecimalSize.text(done)) of \(DecimalSize.text(total))" }
}

/// Brings images of the head's store to nodes. One read of a blob feeds every node that lacks it at the time.
public final class ImageDelivery: Sendable {
    private let store: ImageStore
    private let feeds = Monitor<[Digest: WeakFeed]>([:])
    let chains = DeliveryChains()

    private struct WeakFeed: Sendable {
        weak var feed: BlobFeed?
    }

    /// False has every node take in what it could see.
    private let sharesDirectories: Bool
    /// Whether a node's loopback is this machine's, as it is for tests alone.
    private let sharesLoopback: Bool
    private let notes: DeliveryNotes

    /// - Parameter note: told once why a node that is to pull by itself does not.
    public convenience init(
        store: ImageStore, note: @escaping @Sendable (String) -> Void = { _ in }
    ) { self.init(store: store, sharesDirectories: true, note: note) }

    init(
        store: ImageStore, sharesDirectories: Bool, sharesLoopback: Bool = false,
        note: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        self.store = store
        self.sharesDirectories = sharesDirectories
        self.sharesLoopback = sharesLoopback
        notes = DeliveryNotes(note)
    }

    /// Returns the image's root filesystem as the node has it, once it has it whole; it stays there until the agent is told to forget
    /// the job. Blocks: call it on a thread of its own. The channel is closed at the end, which may be later.
    /// - Parameters:
    ///   - pulls: whether the node is sent to registries for what it lacks.
    ///   - isCancelled: asked a few times a second.
    ///   - progress: told on threads of the delivery.
    public func deliver(
        _ image: StoredImage, for job: JobID, to node: String, over channel: DeliveryChannel,
        pulls: Bool = false, isCancelled: @escaping @Sendable () -> Bool = { false },
        progress: @escaping @Sendable (DeliveryProgress) -> Void = { _ in }
    ) throws(DeliveryError) -> RootFilesystem {
        let parcel: ImageParcel
        do throws(ImageError) {
            parcel = try store.parcel(of: image)
        } catch {
            channel.close()
            throw DeliveryError(DeliveryFailure(error), node: node)
        }
        let key = Self.newKey()
        var order = ImageOrder(
            job: job, reference: image.reference,
            documents: parcel.documents.map {
                .init(manifest: Data($0.manifest), config: Data($0.config))
            },
            directories: sharesDirectories
                ? parcel.directories.map { .init(path: $0.path, mark: $0.mark) } : [])
        order.peerKey = key
        let blobs = Dictionary(parcel.layers.map { ($0.digest, $0) }) { first, _ in first }
        let web = pulls ? offer(image, to: node, isCancelled) : nil
        let delivery = NodeDelivery(node, channel, chains, key: key, web: web, progress: progress) {
            digest throws(ImageError) in
            guard let blob = blobs[digest] else {
                throw ImageError(
                    .corrupt, "send", digest.short, "the node asks for what is none of the image's")
            }
            return try self.feed(blob, of: image)
        }
        let layers = try delivery.run(order, isCancelled: isCancelled)
        return .layers(layers, image.process)
    }

    /// Nil for what came from no registry.
    private func offer(
        _ image: StoredImage, to node: String, _ isCancelled: @escaping @Sendable () -> Bool
    ) -> WebOffer? {
        let origin = store.origin(
            of: image, sharesLoopback: sharesLoopback, isCancelled: isCancelled)
        return origin.map { WebOffer($0, to: node, notes) }
    }

    private static func newKey() -> String {
        var random = SystemRandomNumberGenerator()
        return digestOf((0..<64).map { _ in UInt8.random(in: 0...255, using: &random) }).hex
    }

    private func feed(_ blob: Descriptor, of image: StoredImage) throws(ImageError) -> BlobFeed {
        if let feed = feeds.quietly({ $0[blob.digest]?.feed }) { return feed }
        let opened = BlobFeed(blob, try store.openBlob(blob, of: image))
        return feeds.quietly { feeds in
            // Another node's may have come first, and has its parts hashed already.
            if let feed = feeds[blob.digest]?.feed { return feed }
            feeds = feeds.filter { $0.value.feed != nil }
            feeds[blob.digest] = WeakFeed(feed: opened)
            return opened
        }
    }
}

extension DeliveryFailure {
    init(_ error: ImageError) {
        self.init(
            kind: error.kind.rawValue, step: error.step, subject: error.subject,
            reason: error.reason, hint: error.hint, errno: error.errno)
    }
}

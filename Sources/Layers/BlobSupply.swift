package import LinuxSystem
package import OCISpec

/// Where layer blobs come from that are not in the store.
package protocol BlobSupply: Sendable {
    /// Before the first and after the last blob of a pull; what is not opened is not closed.
    func open() throws(ImageError)
    func close()
    /// The blob, where it is a whole file of this machine; nil where it has to come by `begin`.
    func file(_ layer: Descriptor) throws(ImageError) -> OwnedFD?
    /// Has the blob come into `file`, which is open for reading and writing, borrowed until `finish`, and may hold what came of the
    /// blob earlier. Does not wait.
    func begin(_ layer: Descriptor, in file: Int32) throws(ImageError) -> any BlobArrival
}

/// A blob on its way into a file.
package protocol BlobArrival: Sendable {
    /// Bytes of it that are here, those included that came earlier.
    var received: Int64 { get }
    /// Bytes that came earlier.
    var resumed: Int64 { get }
    /// Bytes that can be read from the start of the file: waits until there are more than `offset`, or all. Throws `.cancelled`
    /// where it ended.
    func wait(past offset: Int64) throws(LayerError) -> Int64
    /// Ends it.
    func stop(because reason: String)
    /// What ended it of itself; nil where nothing did, or `stop`.
    var failure: BlobFailure? { get }
    /// Waits until nobody writes to the file any more.
    func finish()
    /// Whether bytes of it came from somebody who may have had others, and another arrival would bring them from elsewhere.
    var hasAlternative: Bool { get }
}

extension BlobArrival {
    package var hasAlternative: Bool { false }
}

package struct BlobFailure: Error, Sendable {
    package let error: ImageError
    /// Whether it would end the same way again, and what came is only in the way: a full disk.
    package let isOfThisMachine: Bool
    package init(_ error: ImageError, isOfThisMachine: Bool) {
        self.error = error
        self.isOfThisMachine = isOfThisMachine
    }
}

/// From nowhere: the store has to have everything.
package struct NoSupply: BlobSupply {
    let image: String
    package init(image: String) { self.image = image }
    package func open() {}
    package func close() {}
    package func file(_ layer: Descriptor) -> OwnedFD? { nil }
    package func begin(_ layer: Descriptor, in file: Int32) throws(ImageError) -> any BlobArrival {
        throw ImageError(
            .notFound, "use", image,
            "the layer \(layer.digest.short) is not in the store, or damaged",
            hint: "pull or import the image again")
    }
}

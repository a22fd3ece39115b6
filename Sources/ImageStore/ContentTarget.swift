internal import Layers
internal import OCISpec

/// A place that content is brought to: a registry's repository, a layout, an archive. It verifies what it takes.
protocol ContentTarget: Sendable {
    /// For people.
    var name: String { get }
    /// Blobs that it takes at once.
    var width: Int { get }
    /// Takes a blob from the source, unless it is there already.
    func put(_ blob: Descriptor, from source: any ContentSource, _ meter: BlobMeter)
        throws(ImageError)
    /// Takes a manifest or index, all that it names being there. The root is what the place's name will mean.
    func put(_ document: ContentTree.Document, isRoot: Bool) throws(ImageError)
}

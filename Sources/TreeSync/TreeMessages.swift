public import JobModel

// What head and node say to each other over the stream of one tree: the head orders, the node asks for the manifest and for the pieces
// that it lacks, and gets them in packs. Frames are those of deliveries (`DeliveryFrame`), with what is many as a body.

/// From the head to a node's `martlet-agent trees`.
public enum ToTreeIntake: Sendable, Codable {
    /// First of all, once: whether the node sees the very same directory.
    case look(TreeWitness)
    /// Where it does not, once.
    case order(TreeOrder)
    /// A part of the manifest, as one zstd frame of all parts together, follows.
    case manifest(isLast: Bool)
    /// So many of the pieces that were asked for, in the order of the question, follow as one zstd frame of `size` bytes in all.
    case pack(count: Int, size: Int)
    /// The head cannot give what was asked for.
    case failed(TreeError)
}

/// From a node's `martlet-agent trees` to the head.
public enum FromTreeIntake: Sendable, Codable {
    /// The node has not the same directory under that name. A tree of more bytes than `room` it cannot have; nil where it cannot tell.
    case isElsewhere(room: Int64?)
    case wantsManifest
    /// Pairs of numbers, 4 bytes each, little-endian, follow: the first of some of the manifest's pieces, and how many.
    case wants(isLast: Bool)
    /// All is here, and files are made of it: so many of so many.
    case places(done: Int, total: Int)
    /// Where it lies; the head's own path where the node sees the very same directory.
    case ready(path: String, isShared: Bool)
    case failed(TreeError)
}

/// What a node is to have before a job's tasks can start there.
public struct TreeOrder: Sendable, Codable {
    /// Bytes at most: some five million files.
    public static let longestManifest = 1 << 30

    /// The tree stays on the node until this job is forgotten.
    public var job: JobID
    /// As the spec names it, for people.
    public var source: String
    /// The manifest's, hexadecimal.
    public var digest: String
    /// Bytes of the manifest.
    public var manifestSize: Int
    /// Bytes that the node's trees may have; nil leaves that to the node.
    public var budget: Int64?

    public init(
        job: JobID, source: String, digest: String, manifestSize: Int, budget: Int64? = nil
    ) {
        self.job = job
        self.source = source
        self.digest = digest
        self.manifestSize = manifestSize
        self.budget = budget
    }
}

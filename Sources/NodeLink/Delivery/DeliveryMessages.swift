public import OCISpec

// What head and node say to each other over the stream of one image: the head orders, the node asks for the blobs that it lacks,
// each from where its own part of it ends, and gets them chunk by chunk.

/// From the head to a node's `martlet-agent layers`.
public enum ToIntake: Sendable, Codable {
    /// First of all, once.
    case order(ImageOrder)
    /// Bytes of a blob from `offset` on follow, with their own digest: what came otherwise is asked for again.
    case chunk(BlobPlace, sum: Digest)
    /// The blob is to be had from another node, from where this one asked.
    case peer(Digest, PeerAddress)
    /// The head cannot give what was asked for.
    case failed(DeliveryFailure)
    /// No other node needs anything from this one any more.
    case end
}

/// From a node's `martlet-agent layers` to the head.
public enum FromIntake: Sendable, Codable {
    /// Where other nodes reach this one, before it asks for anything.
    case listening(PeerAddress)
    /// The blob is lacked from `offset` on; `without` names nodes from which it could not be had.
    case wants(BlobPlace, without: [String])
    /// Bytes of what is lacked, here and in all.
    case progress(done: Int64, total: Int64)
    /// The layers' directories on the node, lowest first.
    case ready([String])
    case failed(DeliveryFailure)
}

public struct BlobPlace: Sendable, Hashable, Codable {
    public var digest: Digest
    /// Bytes from its beginning.
    public var offset: Int64
    public init(_ digest: Digest, at offset: Int64) {
        self.digest = digest
        self.offset = offset
    }
}

/// Where a node hands on what it has, for the time of one delivery.
public struct PeerAddress: Sendable, Hashable, Codable {
    /// Numeric, of the node's own network interfaces; the likeliest first.
    public var hosts: [String]
    /// TCP.
    public var port: Int
    /// Names the node to the head.
    public var name: String
    /// 32 bytes in hexadecimal, under which all is sealed between the two: known to nobody else, for it came over ssh.
    public var key: String
    public init(hosts: [String], port: Int, name: String, key: String) {
        self.hosts = hosts
        self.port = port
        self.name = name
        self.key = key
    }
}

/// Why a node does not have the image.
public struct DeliveryFailure: Error, Sendable, Hashable, Codable {
    /// `ImageError.Kind`, as text: a later version may know more of them.
    public var kind: String
    public var step: String
    public var subject: String
    public var reason: String
    public var hint: String?
    public var errno: Int32?
    public init(
        kind: String, step: String, subject: String, reason: String, hint: String? = nil,
        errno: Int32? = nil
    ) {
        self.kind = kind
        self.step = step
        self.subject = subject
        self.reason = reason
        self.hint = hint
        self.errno = errno
    }
}

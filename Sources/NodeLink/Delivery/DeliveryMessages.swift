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
    /// The blob is to be had from registries, from the first of these places that gives it, from where the node asked. Only for a
    /// node that said that it has a curl: earlier ones do not know this.
    case web(Digest, [WebPlace])
    /// The head cannot give what was asked for.
    case failed(DeliveryFailure)
    /// No other node needs anything from this one any more.
    case end
}

/// From a node's `martlet-agent layers` to the head.
public enum FromIntake: Sendable, Codable {
    /// Where other nodes reach this one, before it asks for anything.
    case listening(PeerAddress)
    /// The blob is lacked from `offset` on; `without` names nodes from which it could not be had, or `WebPlace.source`. Nodes of
    /// earlier versions say nothing of the web.
    case wants(BlobPlace, without: [String], web: WebReport? = nil)
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

/// Where a registry has a blob.
public struct WebPlace: Sendable, Hashable, Codable {
    /// What registries are called among the nodes from which a blob could not be had; no node is called so.
    public static let source = "registry"

    public var url: String
    /// The value of the header for this very host and no other: a token that is good for minutes, and for pulling alone.
    public var authorization: String?
    /// Whether plain HTTP and unverified TLS are allowed.
    public var isInsecure: Bool
    public init(url: String, authorization: String?, isInsecure: Bool) {
        self.url = url
        self.authorization = authorization
        self.isInsecure = isInsecure
    }
}

/// How a node gets on with registries.
public struct WebReport: Sendable, Hashable, Codable {
    public var hasCurl: Bool
    /// Why the blob that is asked for could not be had from any of its places.
    public var failure: String?
    public init(hasCurl: Bool, failure: String? = nil) {
        self.hasCurl = hasCurl
        self.failure = failure
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

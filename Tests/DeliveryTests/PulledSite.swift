import Foundation
import ImageStore
import JobModel
import OCISpec
import Synchronization
import Threads

@testable import ImageIntake
@testable import JobServer
@testable import Layers

/// A head whose image came from a registry, which wants a token, and nodes that may pull it.
final class PulledSite: Sendable {
    let site: Site
    let registry: WebServer
    let image: StoredImage
    let notes: Monitor<[String]>
    let blobs: [Digest: [UInt8]]

    /// What a blob's request gets that has its token.
    typealias Script = @Sendable (WebServer.Request, _ blob: [UInt8]) -> WebServer.Answer

    static let name = "team/image"
    static let token = "t0ken-\(UInt32.random(in: 0 ... .max))"

    /// - Parameter challenge: of the registry at this host; nil where it wants nothing.
    init(
        layers: Int = 2, bytes: Int = 3 << 20, sharesLoopback: Bool = true,
        accepts: String = "Bearer " + token,
        script: @escaping Script = { .init($1, for: $0) },
        challenge: @escaping @Sendable (_ host: String) -> String? = {
            "Bearer realm=\"http://\($0)/token\",service=\"r\",scope=\"repository:\(name):pull\""
        }
    ) throws {
        let notes = Monitor<[String]>([])
        self.notes = notes
        site = try Site(sharesLoopback: sharesLoopback) { text in
            notes.withLock { $0.append(text) }
        }
        let local = try site.image(layers: layers, bytes: bytes)
        var blobs: [Digest: [UInt8]] = [:]
        for layer in try site.store.parcel(of: local).layers {
            let file = "\(site.path)/image/blobs/sha256/\(layer.digest.hex)"
            blobs[layer.digest] = Array(try Data(contentsOf: URL(fileURLWithPath: file)))
        }
        self.blobs = blobs
        registry = try WebServer { [blobs] request in
            if request.path.hasPrefix("/token") {
                return .init(200, [:], "{\"token\": \"\(Self.token)\", \"expires_in\": 300}")
            }
            let host = request.headers["host"] ?? ""
            if let challenge = challenge(host), request.headers["authorization"] != accepts {
                return .init(401, ["WWW-Authenticate": challenge])
            }
            let digest = request.path.split(separator: "/").last.flatMap { Digest(String($0)) }
            guard let digest, let blob = blobs[digest] else { return .init(404) }
            return request.isOfNode ? script(request, blob) : .init(blob, for: request)
        }
        try site.configure("[[registry]]\nlocation = \"\(registry.host)\"\ninsecure = true\n")
        var image = local
        image.reference = "\(registry.host)/\(Self.name)@\(local.digest ?? "")"
        self.image = image
    }

    /// The bytes that left the head, once the node has the image as it is.
    /// - Parameter other: the same one under another name.
    @discardableResult
    func deliver(
        _ other: StoredImage? = nil, to node: Node, _ wire: Wire = Wire(), pulls: Bool = true,
        isCancelled: @escaping @Sendable () -> Bool = { false }
    ) throws -> Int {
        let image = other ?? image
        let layers = try site.deliver(
            image, to: node, wire, pulls: pulls, isCancelled: isCancelled)
        guard layers.count == image.layers.count else { throw CocoaError(.fileReadCorruptFile) }
        for (ours, theirs) in zip(image.layers, layers) {
            for name in try FileManager.default.contentsOfDirectory(atPath: ours) {
                let same = FileManager.default.contentsEqual(
                    atPath: ours + "/" + name, andPath: theirs + "/" + name)
                if ours == theirs || !same { throw CocoaError(.fileReadCorruptFile) }
            }
        }
        return wire.sent
    }
}

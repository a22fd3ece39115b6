import Foundation
import ImageStore
import JobModel
import LinuxSystem
import NodeLink
import OCISpec
import Registry
import Synchronization
import Threads

@testable import ImageIntake
@testable import JobServer
@testable import Layers

/// A head with an image, and nodes, all on one disk and in one process.
final class Site: Sendable {
    let path: String
    let store: ImageStore
    let delivery: ImageDelivery

    init(
        sharesDirectories: Bool = false, sharesLoopback: Bool = false,
        note: @escaping @Sendable (String) -> Void = { _ in }
    ) throws {
        path = NSTemporaryDirectory() + "martlet-delivery-" + UUID().uuidString
        try FileManager.default.createDirectory(
            atPath: path + "/home", withIntermediateDirectories: true)
        var settings = StoreSettings()
        settings.form = .user
        settings.flushes = false
        settings.registry.environment = ["HOME": path + "/home"]
        store = ImageStore(dataDirectory: path + "/head", settings: settings)
        delivery = ImageDelivery(
            store: store, sharesDirectories: sharesDirectories, sharesLoopback: sharesLoopback,
            note: note)
    }

    /// The head's registries.conf.
    func configure(_ text: String) throws {
        try write(text, ".config/containers", "registries.conf")
    }

    /// `pair` is `user:password` in base64.
    func logIn(to host: String, _ pair: String) throws {
        try write("{\"auths\": {\"\(host)\": {\"auth\": \"\(pair)\"}}}", ".docker", "config.json")
    }

    private func write(_ text: String, _ folder: String, _ name: String) throws {
        try FileManager.default.createDirectory(
            atPath: "\(path)/home/\(folder)", withIntermediateDirectories: true)
        try text.write(
            toFile: "\(path)/home/\(folder)/\(name)", atomically: true, encoding: .utf8)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// An image of so many layers of so many bytes that do not compress, and what each layer's file is called.
    func image(_ name: String = "image", layers: Int = 2, bytes: Int) throws -> StoredImage {
        let layout = path + "/" + name
        let blobs = layout + "/blobs/sha256"
        try FileManager.default.createDirectory(atPath: blobs, withIntermediateDirectories: true)
        var diffIDs: [String] = []
        var descriptors: [String] = []
        func put(_ data: Data, _ type: String) throws -> String {
            let digest = digestOf(data)
            try data.write(to: URL(fileURLWithPath: blobs + "/" + digest.hex))
            return "{\"mediaType\":\"\(type)\",\"digest\":\"\(digest)\",\"size\":\(data.count)}"
        }
        for number in 0..<layers {
            let tree = path + "/tree"
            try FileManager.default.createDirectory(
                atPath: tree, withIntermediateDirectories: true)
            try shell("head -c \(bytes) /dev/urandom > \(tree)/\(name)-\(number)")
            try shell("tar -C \(tree) -cf \(path)/layer.tar . && gzip -1 -kf \(path)/layer.tar")
            try FileManager.default.removeItem(atPath: tree)
            let archive = try Data(contentsOf: URL(fileURLWithPath: path + "/layer.tar"))
            diffIDs.append("\"\(digestOf(archive))\"")
            descriptors.append(
                try put(
                    Data(contentsOf: URL(fileURLWithPath: path + "/layer.tar.gz")),
                    MediaType.layerGzip))
        }
        let platform = Platform.current
        let config = try put(
            Data(
                """
                {"architecture":"\(platform.architecture)","os":"\(platform.os)","config":{"Cmd":["/bin/sh"]},
                "rootfs":{"type":"layers","diff_ids":[\(diffIDs.joined(separator: ","))]}}
                """.utf8), "application/vnd.oci.image.config.v1+json")
        let manifest = try put(
            Data(
                """
                {"schemaVersion":2,"mediaType":"\(MediaType.manifest)","config":\(config),
                "layers":[\(descriptors.joined(separator: ","))]}
                """.utf8), MediaType.manifest)
        try "{\"imageLayoutVersion\":\"1.0.0\"}".write(
            toFile: layout + "/oci-layout", atomically: true, encoding: .utf8)
        try "{\"schemaVersion\":2,\"manifests\":[\(manifest)]}".write(
            toFile: layout + "/index.json", atomically: true, encoding: .utf8)
        return try store.ensure(layout)
    }

    private func shell(_ command: String) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-ec", command]
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw CocoaError(.fileWriteUnknown) }
    }

    func node(_ name: String, at place: String? = nil, web: WebSettings = WebSettings()) -> Node {
        Node(name, place ?? path + "/" + name, web)
    }

    func deliver(
        _ image: StoredImage, to node: Node, job: Int64 = 1, _ wire: Wire = Wire(),
        pulls: Bool = false,
        progress: @escaping @Sendable (DeliveryProgress) -> Void = { _ in },
        isCancelled: @escaping @Sendable () -> Bool = { false }
    ) throws -> [String] {
        let root = try delivery.deliver(
            image, for: JobID(job), to: node.name, over: try node.connect(wire), pulls: pulls,
            isCancelled: isCancelled, progress: progress)
        guard case .layers(let layers, _) = root else { return [] }
        return layers
    }
}

/// What happens to bytes on their way to a node.
final class Wire: Sendable {
    struct State: Sendable {
        var sent = 0
        /// Bytes of blobs alone.
        var cutAfter: Int?
        /// Of every so many writes of a blob's bytes one is damaged.
        var damages: Set<Int> = []
        var damagesAll = false
        var pieces = 0
    }
    let state: Mutex<State>
    init(cutAfter: Int? = nil, damages: Set<Int> = [], damagesAll: Bool = false) {
        state = Mutex(State(cutAfter: cutAfter, damages: damages, damagesAll: damagesAll))
    }

    var sent: Int { state.withLock { $0.sent } }
    private let namesPeer = Monitor(false)
    /// Once the head has told the node to get something from another one.
    func awaitPeer() { namesPeer.wait { $0 ? true : nil } }

    /// Nil where the wire is cut.
    func carry(_ bytes: [UInt8]) -> [UInt8]? {
        // Behind the lengths.
        if bytes.dropFirst(8).starts(with: "{\"peer\"".utf8) { namesPeer.withLock { $0 = true } }
        return pass(bytes)
    }

    private func pass(_ bytes: [UInt8]) -> [UInt8]? {
        state.withLock { state in
            state.sent += bytes.count
            if let cut = state.cutAfter, state.sent > cut { return nil }
            // Messages are not damaged: ssh sees to that. The parts of a blob are long.
            guard bytes.count > 16 << 10 else { return bytes }
            defer { state.pieces += 1 }
            guard state.damagesAll || state.damages.contains(state.pieces) else { return bytes }
            var bytes = bytes
            bytes[bytes.count / 2] ^= 1
            return bytes
        }
    }
}

/// A node: its own store, its own intake for each delivery.
final class Node: Sendable {
    let name: String
    let directories: Directories
    private let web: WebSettings

    init(_ name: String, _ path: String, _ web: WebSettings) {
        self.name = name
        self.web = web
        directories = Directories(
            state: path + "/state", data: path + "/data", run: path + "/run",
            config: path + "/config")
        try? FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true)
    }

    var store: LayerStore {
        LayerStore(paths: StorePaths(root: directories.data), settings: Self.settings)
    }

    static var settings: LayerSettings {
        var settings = LayerSettings()
        settings.form = .user
        return settings
    }

    func connect(_ wire: Wire) throws -> DeliveryChannel {
        signal(SIGPIPE, SIG_IGN)
        let (ours, theirs) = try UnixSocket.pair(.stream).release()
        let intake = try LayerIntake(directories, Self.settings, web: web, output: theirs)
        _ = try WorkerThread("node") {
            intake.serve(theirs)
            close(theirs)
        }
        return Self.channel(ours, wire)
    }

    static func channel(_ socket: Int32, _ wire: Wire) -> DeliveryChannel {
        DeliveryChannel(
            write: { bytes throws(LinkError) in
                guard let bytes = wire.carry(bytes) else {
                    shutdown(socket, Int32(SHUT_RDWR))
                    throw LinkError("the cable was cut")
                }
                do throws(SystemError) {
                    try Files.writeAll(socket, bytes, "node")
                } catch { throw LinkError("\(error)") }
            },
            read: { () throws(LinkError) in
                var buffer = [UInt8](repeating: 0, count: 1 << 16)
                let count = read(socket, &buffer, buffer.count)
                return Array(buffer[..<max(0, count)])
            },
            close: { shutdown(socket, Int32(SHUT_RDWR)) })
    }
}

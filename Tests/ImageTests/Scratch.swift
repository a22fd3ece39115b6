import CLinux
import Foundation
import OCISpec
import Registry
import Testing

@testable import ImageStore
@testable import Layers

/// A directory of its own for one test, gone afterwards.
final class Scratch {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "martlet-image-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? TreeRemoval.remove(path: path) }

    func file(_ name: String, _ bytes: [UInt8]) throws -> String {
        let file = path + "/" + name
        try Data(bytes).write(to: URL(fileURLWithPath: file))
        return file
    }

    /// As for somebody whose home is here, on a machine where nothing is configured; trouble does not take long.
    var registrySettings: RegistrySettings {
        var settings = RegistrySettings(
            environment: [
                "HOME": path, "XDG_RUNTIME_DIR": path + "/run", "PATH": path + "/bin:/usr/bin:/bin",
            ])
        settings.systemConfiguration = path + "/etc"
        settings.firstDelay = 0.01
        return settings
    }

    /// Writes a file and the directories above it.
    func write(_ name: String, _ text: String) throws {
        let file = path + "/" + name
        try FileManager.default.createDirectory(
            atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try text.write(toFile: file, atomically: true, encoding: .utf8)
    }

    func store(
        _ name: String = "data", form: OverlayForm? = nil, inflater: Inflater = .isal,
        flushes: Bool = true
    ) -> ImageStore {
        var settings = StoreSettings()
        settings.flushes = flushes
        settings.form = form
        settings.inflater = inflater
        settings.registry = registrySettings
        return ImageStore(dataDirectory: path + "/" + name, settings: settings)
    }

    /// Unpacks one archive as the lowest layer (or another) into a new directory; returns that.
    func unpack(
        _ archive: [UInt8], form: OverlayForm = .user, isLowest: Bool = true,
        limits: LayerLimits = LayerLimits()
    ) throws(LayerError) -> String {
        let directory = path + "/layer-" + UUID().uuidString
        mkdir(directory, 0o755)
        let blob = path + "/blob-" + UUID().uuidString
        let descriptor = open(blob, O_RDWR | O_CREAT, 0o600)
        defer { close(descriptor) }
        _ = archive.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
        let source = LayerSource(
            digest: nil, size: Int64(archive.count), diffID: nil, descriptor: descriptor,
            arrival: nil)
        let application = LayerApplication(
            form: form, inflater: Inflater.isal.makeEngine, limits: limits)
        let layer = try application.run(source, into: directory, isLowest: isLowest)
        _ = try layer.writer.settle(on: nil)
        return directory
    }

    func gzip(_ bytes: [UInt8], with inflater: Inflater = .isal) throws -> [UInt8] {
        let source = try file("plain-" + UUID().uuidString, bytes)
        let target = source + ".gz"
        let (from, to) = (open(source, O_RDONLY), open(target, O_WRONLY | O_CREAT, 0o600))
        defer {
            close(from)
            close(to)
        }
        try GzipWriter.compress(from, to: to, with: inflater)
        return try Array(Data(contentsOf: URL(fileURLWithPath: target)))
    }

    /// An OCI layout of these layers, lowest first; each is compressed as it says.
    func layout(
        _ layers: [[UInt8]], name: String = "layout", diffIDs: [Digest]? = nil,
        tamper: (inout Manifest) -> Void = { _ in }
    ) throws -> String {
        let directory = path + "/" + name
        let blobs = directory + "/blobs/sha256"
        try FileManager.default.createDirectory(atPath: blobs, withIntermediateDirectories: true)
        func put(_ bytes: [UInt8], _ type: String) throws -> Descriptor {
            let digest = digestOf(bytes)
            try Data(bytes).write(to: URL(fileURLWithPath: blobs + "/" + digest.hex))
            return Descriptor(mediaType: type, digest: digest, size: Int64(bytes.count))
        }
        var descriptors: [Descriptor] = []
        for layer in layers { descriptors.append(try put(try gzip(layer), MediaType.layerGzip)) }
        var config = ImageConfig(
            platform: .current, diffIDs: diffIDs ?? layers.map { digestOf($0) })
        config.config?.command = ["/bin/sh"]
        var manifest = Manifest(
            mediaType: MediaType.manifest,
            config: try put(DocumentEncoder.bytes(config), MediaType.config),
            layers: descriptors)
        tamper(&manifest)
        var top = try put(DocumentEncoder.bytes(manifest), MediaType.manifest)
        top.annotations = ["org.opencontainers.image.ref.name": "latest"]
        try Data(DocumentEncoder.bytes(Index(manifests: [top]))).write(
            to: URL(fileURLWithPath: directory + "/index.json"))
        try #"{"imageLayoutVersion":"1.0.0"}"#.write(
            toFile: directory + "/oci-layout", atomically: true, encoding: .utf8)
        return directory
    }
}

enum Tools {
    static func has(_ names: String...) -> Bool {
        names.allSatisfy { name in
            ["/usr/bin/", "/bin/", "/usr/sbin/", "/sbin/"].contains {
                FileManager.default.isExecutableFile(atPath: $0 + name)
            }
        }
    }
    static let isRoot = geteuid() == 0

    @discardableResult
    static func run(_ command: String...) throws -> String { try run(command) }

    struct ToolFailure: Error, CustomStringConvertible {
        let command: [String]
        let output: String
        var description: String { "\(command.joined(separator: " ")): \(output)" }
    }
}

extension Tools {
    /// Runs a command to its end and returns what it said; throws that where it failed.
    @discardableResult
    static func run(_ command: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let output = String(
            decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw ToolFailure(command: command, output: output)
        }
        return output
    }
}

import Foundation
import Laboratory
import Testing

/// A docker-registry with a log of what it was asked, ended with the object.
final class LoggedRegistry {
    let host: String
    private let process = Process()
    private let log: String

    /// - Parameter laboratory: on whose network it listens, for all of its machines.
    init(_ sandbox: Sandbox, in laboratory: Laboratory? = nil) throws {
        host =
            try laboratory.map { _ in "\(Laboratory.address):5000" }
            ?? "127.0.0.1:\(Self.freePort())"
        let prefix = laboratory?.onNetwork ?? []
        log = sandbox.folder + "/registry.log"
        let config = try sandbox.write(
            "registry.yml",
            """
            version: 0.1
            log: {accesslog: {disabled: false}, level: error}
            storage: {filesystem: {rootdirectory: \(sandbox.folder)/registry}, delete: {enabled: true}}
            http: {addr: '\(host)'}
            """)
        try Data().write(to: URL(fileURLWithPath: log))
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = prefix + ["/usr/bin/docker-registry", "serve", config]
        process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: log))
        process.standardError = FileHandle.nullDevice
        try process.run()
        try sandbox.waitUntil("the registry answers") {
            try sandbox.run(prefix + ["curl", "-sf", "http://\(host)/v2/"]).status == 0
        }
    }

    deinit {
        process.terminate()
        process.waitUntilExit()
    }

    /// The port is free until somebody takes it: it is taken a moment later.
    private static func freePort() throws -> UInt16 {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && getsockname(listener, $0, &length) == 0
            }
        }
        try #require(isBound)
        return UInt16(bigEndian: address.sin_port)
    }

    /// Paths of every GET so far; of one machine's, where its address is named.
    func gets(by address: String? = nil) -> [String] {
        Machine.text(log).split(separator: "\n").compactMap { line in
            guard address.map({ line.hasPrefix($0 + " ") }) ?? true,
                let start = line.range(of: "\"GET ")?.upperBound
            else { return nil }
            return String(line[start...].prefix { $0 != " " })
        }
    }
    func blobGets(by address: String? = nil) -> [String] {
        gets(by: address).filter { $0.contains("/blobs/") }
    }
}

/// An image of three layers in a registry of its own, and a user's empty store.
struct PulledImage {
    let sandbox: Sandbox
    let registry: LoggedRegistry
    let name: String
    var data: String { sandbox.folder + "/home/data" }

    static let isPossible =
        Machine.hasExecutables && Machine.has("docker-registry", "skopeo", "umoci", "curl")
    static let reason: Comment = "needs the executables, docker-registry, skopeo, umoci and curl"

    /// The second layer has `megabytes` of noise, the others many small files, links and deletions.
    init(megabytes: Int = 4, files: Int = 200) throws {
        sandbox = try Sandbox()
        registry = try LoggedRegistry(sandbox)
        name = registry.host + "/team/image:1"
        try sandbox.shell(
            """
            set -e
            mkdir -p one/etc two/opt three/etc
            for i in $(seq \(files)); do echo "file $i" > one/etc/file-$i; done
            ln -s file-1 one/etc/link; ln one/etc/file-2 one/etc/hard
            head -c \(megabytes)M /dev/urandom > two/opt/noise
            touch three/etc/.wh.file-3; echo new > three/etc/file-4; chmod 4755 three/etc/file-4
            for layer in one two three; do tar -C $layer --sort=name -cf $layer.tar .; done
            umoci init --layout layout
            umoci new --image layout:1
            for layer in one two three; do umoci raw add-layer --image layout:1 $layer.tar; done
            skopeo copy -q --dest-tls-verify=false oci:layout:1 docker://\(name)
            rm -rf one two three one.tar two.tar three.tar
            """)
    }

    func close() { sandbox.close() }

    func pull(_ prefix: [String] = []) throws -> Outcome {
        try sandbox.run(prefix + [Sandbox.binaries + "/martlet", "image", "pull", name])
    }
    func verify() throws -> Outcome { try sandbox.martlet("image", "verify") }

    /// As a user would mend it: a pull, and then nothing is damaged and all of it is there.
    func expectHealed(_ what: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let found = try verify()
        #expect(
            [0, 1].contains(found.status), "\(what): \(found.errors)",
            sourceLocation: sourceLocation)
        let pulled = try pull()
        #expect(pulled.status == 0, "\(what): \(pulled.errors)", sourceLocation: sourceLocation)
        let clean = try verify()
        #expect(
            clean.status == 0 && clean.output.contains("3 layers"),
            "\(what): \(clean.output)\(clean.errors)", sourceLocation: sourceLocation)
    }

    /// Everything of the store, as at first.
    func empty() throws {
        let data = URL(fileURLWithPath: data)
        if FileManager.default.fileExists(atPath: data.path) {
            try sandbox.shell("chmod -R u+rwX '\(data.path)' && rm -rf '\(data.path)'/*")
        }
    }
}

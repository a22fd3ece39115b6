internal import FoundationEssentials

/// What an image says of itself (image-spec config.md): for which platform, of which uncompressed layers, run how.
public struct ImageConfig: Hashable, Sendable, Codable {
    public struct Process: Hashable, Sendable, Codable {
        public var user: String?
        public var environment: [String]?
        public var entrypoint: [String]?
        public var command: [String]?
        public var workingDirectory: String?
        public var stopSignal: String?
        public var labels: [String: String]?
        public init() {}
        enum CodingKeys: String, CodingKey {
            case user = "User"
            case environment = "Env"
            case entrypoint = "Entrypoint"
            case command = "Cmd"
            case workingDirectory = "WorkingDir"
            case stopSignal = "StopSignal"
            case labels = "Labels"
        }
    }
    public struct RootFilesystem: Hashable, Sendable, Codable {
        public var type: String
        /// Digests of the uncompressed layers, lowest first.
        public var diffIDs: [Digest]
        enum CodingKeys: String, CodingKey {
            case type
            case diffIDs = "diff_ids"
        }
    }
    public struct History: Hashable, Sendable, Codable {
        public var created: String?
        public var createdBy: String?
        public var emptyLayer: Bool?
        public var comment: String?
        public init(created: String?, createdBy: String?) {
            self.created = created
            self.createdBy = createdBy
        }
        enum CodingKeys: String, CodingKey {
            case created
            case createdBy = "created_by"
            case emptyLayer = "empty_layer"
            case comment
        }
    }
    public var architecture: String
    public var os: String
    public var variant: String?
    public var created: String?
    public var config: Process?
    public var rootfs: RootFilesystem
    public var history: [History]?

    public init(platform: Platform, diffIDs: [Digest], process: Process = Process()) {
        architecture = platform.architecture
        os = platform.os
        variant = platform.variant
        config = process
        rootfs = RootFilesystem(type: "layers", diffIDs: diffIDs)
    }

    /// Decodes the bytes and checks them against the manifest that names them.
    public init(_ bytes: some Collection<UInt8>, layerCount: Int) throws(DocumentError) {
        let name = "image configuration"
        let config: ImageConfig = try ManifestDocument.decode(name, Data(bytes))
        guard config.rootfs.type == "layers" else {
            throw DocumentError(name, "rootfs.type is not \"layers\"")
        }
        guard config.rootfs.diffIDs.count == layerCount else {
            throw DocumentError(
                name, "it names \(config.rootfs.diffIDs.count) layers, the manifest \(layerCount)")
        }
        self = config
    }

    public var platform: Platform { Platform(os: os, architecture: architecture, variant: variant) }

    /// What shapes the container's process, with every default filled in.
    public var process: ImageProcess {
        let directory = config?.workingDirectory ?? ""
        return ImageProcess(
            entrypoint: config?.entrypoint ?? [], command: config?.command ?? [],
            environment: config?.environment ?? [],
            workingDirectory: directory.hasPrefix("/") ? directory : "/" + directory,
            user: config?.user ?? "", stopSignal: config?.stopSignal.flatMap(Signal.number))
    }
}

/// Signal names of Linux on x86-64 and arm64 (signal(7)).
enum Signal {
    static let names = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
        "PIPE", "ALRM",
        "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
        "VTALRM", "PROF",
        "WINCH", "IO", "PWR", "SYS",
    ]

    /// `SIGTERM`, `TERM`, `15`, `SIGRTMIN+3`; nil for anything else.
    static func number(_ text: String) -> Int32? {
        if let number = Int32(text) { return (1...64).contains(number) ? number : nil }
        let upper = text.uppercased()
        let name = upper.hasPrefix("SIG") ? String(upper.dropFirst(3)) : upper
        if let index = names.firstIndex(of: name) { return Int32(index + 1) }
        guard name.hasPrefix("RTMIN") else { return nil }
        let offset = name.dropFirst(5)
        // glibc keeps 32 and 33 for itself.
        guard let value = offset.isEmpty ? 0 : Int32(offset), (0...30).contains(value) else {
            return nil
        }
        return 34 + value
    }
}

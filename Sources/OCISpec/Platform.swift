/// An operating system and processor (image-spec image-index.md; names are those of Go).
public struct Platform: Hashable, Sendable, Codable, CustomStringConvertible {
    public var os: String
    public var architecture: String
    public var variant: String?
    public init(os: String, architecture: String, variant: String? = nil) {
        self.os = os
        self.architecture = architecture
        self.variant = variant
    }

    /// Reads `linux/arm64/v8`, `linux/amd64`; nil where it is neither.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard (2...3).contains(parts.count), !parts.contains("") else { return nil }
        self.init(os: parts[0], architecture: parts[1], variant: parts.count == 3 ? parts[2] : nil)
    }

    /// What this program was built for.
    public static var current: Platform {
        #if arch(x86_64)
            Platform(os: "linux", architecture: "amd64")
        #elseif arch(arm64)
            Platform(os: "linux", architecture: "arm64")
        #else
            Platform(os: "linux", architecture: "unknown")
        #endif
    }

    public var description: String { "\(os)/\(architecture)" + (variant.map { "/" + $0 } ?? "") }

    /// One spelling for what has several (containerd's platforms/database.go).
    public var normalised: Platform {
        switch (architecture.lowercased(), variant?.lowercased()) {
        case ("x86_64", let v), ("x86-64", let v), ("amd64", let v):
            Platform(os: os.lowercased(), architecture: "amd64", variant: v == "v1" ? nil : v)
        case ("aarch64", let v), ("arm64", let v):
            Platform(
                os: os.lowercased(), architecture: "arm64", variant: v == "8" || v == "v8" ? nil : v
            )
        case ("armhf", _): Platform(os: os.lowercased(), architecture: "arm", variant: "v7")
        case ("armel", _): Platform(os: os.lowercased(), architecture: "arm", variant: "v6")
        case ("arm", nil): Platform(os: os.lowercased(), architecture: "arm", variant: "v7")
        case (let architecture, let v):
            Platform(os: os.lowercased(), architecture: architecture, variant: v)
        }
    }

    /// Whether an image that says it is made for `other` may run on this: of the same system, and of an architecture that its
    /// processors run. Configurations often leave the variant out.
    public func runs(_ other: Platform) -> Bool {
        let other = other.normalised
        return acceptable.contains { $0.os == other.os && $0.architecture == other.architecture }
    }

    /// What runs here, best first. An amd64 machine without a stated variant takes the base level alone: a binary of a
    /// higher one may not run.
    var acceptable: [Platform] {
        let own = normalised
        func all(_ architecture: String, _ variants: [String?]) -> [Platform] {
            variants.map { Platform(os: own.os, architecture: architecture, variant: $0) }
        }
        switch own.architecture {
        case "amd64":
            let level = own.variant.flatMap { Int($0.dropFirst()) } ?? 1
            let levels = stride(from: level, through: 1, by: -1).map { $0 == 1 ? nil : "v\($0)" }
            return all("amd64", levels)
        case "arm64": return [own] + all("arm64", [nil]) + all("arm", ["v8", "v7", "v6", "v5"])
        default: return [own]
        }
    }
}

extension Index {
    /// The first image that runs on `platform`, the best level first; nil where there is none.
    /// Attestations and other artifacts (platform `unknown/unknown`) are passed over; an entry without a platform is taken
    /// where nothing names one, and its configuration is checked later.
    public func choose(_ platform: Platform) -> Descriptor? {
        let images = manifests.filter { entry in
            (MediaType.isManifest(entry.mediaType) || MediaType.isIndex(entry.mediaType))
                && entry.artifactType == nil && entry.platform?.os != "unknown"
        }
        for wanted in platform.acceptable {
            if let found = images.first(where: { $0.platform?.normalised == wanted }) {
                return found
            }
        }
        return images.first { $0.platform == nil }
    }

    /// What there is, for an error's text.
    public var platforms: [String] { manifests.compactMap { $0.platform?.description } }
}

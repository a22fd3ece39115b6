/// How far a job's tasks are kept from the machine that they run on.
public enum Confinement: Sendable, Hashable, Codable {
    /// Docker's capabilities, its seccomp profile and its masked paths; no new privileges.
    case standard
    /// As standard, but every system call may be made.
    case unfiltered
    /// As standard, but with this profile.
    case profile(SeccompDocument)
    /// All of root's capabilities, every system call, new privileges, the machine's devices, nothing masked: for root's tasks
    /// alone.
    case privileged
}

/// A seccomp profile in Docker's JSON format, as its file was when the job was submitted. Conditions in it are met, or not, on
/// the node.
public struct SeccompDocument: Sendable, Hashable, Codable {
    /// Where it lay, for messages; absolute, on the submitting machine.
    public var path: String
    public var json: String
    public init(path: String, json: String) {
        self.path = path
        self.json = json
    }

    /// Bytes of the largest that is taken; Docker's own has 16 KiB.
    public static let largest = 1 << 20
}

extension Confinement: CustomStringConvertible {
    public var description: String {
        switch self {
        case .standard: "standard: Docker's seccomp profile and capabilities"
        case .unfiltered: "no seccomp filter"
        case .profile(let document): "seccomp profile \(document.path)"
        case .privileged: "PRIVILEGED: all capabilities, no seccomp filter, the machine's devices"
        }
    }
}

extension KeyedDecodingContainer {
    /// Specs of before there was a choice name none.
    public func decode(_ type: Confinement.Type, forKey key: Key) throws -> Confinement {
        try decodeIfPresent(type, forKey: key) ?? .standard
    }
}

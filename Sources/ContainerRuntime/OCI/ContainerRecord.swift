package import OCIRuntimeSpec

/// What is kept of a container between two calls of the command line. A pure value.
package struct ContainerRecord: Sendable, Hashable {
    package var id: String
    package var ociVersion: String
    /// Absolute.
    package var bundle: String
    /// Absolute, the machine's.
    package var root: String
    /// In the machine's process namespace; 0 while it is being made.
    package var pid: Int32 = 0
    /// proc(5), /proc/PID/stat, field 22, in clock ticks: a pid alone may be somebody else's by now.
    package var startTime: Int64 = 0
    /// Milliseconds since 1970.
    package var created: Int64
    /// Who made it.
    package var owner: UInt32
    package var annotations: [String: String]
    /// It has a session keyring, which its other processes join.
    package var hasKeyring = true
    /// `ContainerCgroup.record`.
    package var cgroup: [String: String] = [:]
    /// `ResctrlGroup.record`; empty where it has none.
    package var resctrl: [String: String] = [:]

    package func state(_ status: ContainerState.Status) -> ContainerState {
        var state = ContainerState(id: id, status: status, pid: pid, bundle: bundle)
        state.ociVersion = ociVersion
        state.annotations = annotations
        return state
    }
}

extension ContainerRecord {
    /// Of this layout; another one's records are refused, not guessed at.
    private static let version: UInt8 = 2

    var bytes: [UInt8] {
        var out = WireWriter()
        out.put(Self.version)
        out.put(hasKeyring ? UInt8(1) : 0)
        for text in [id, ociVersion, bundle, root] { out.put(text) }
        for number in [Int64(pid), startTime, created, Int64(owner)] { out.put(number) }
        for pairs in [annotations, cgroup, resctrl] {
            out.put(pairs.sorted { $0.key < $1.key }) { out, pair in
                out.put(pair.key)
                out.put(pair.value)
            }
        }
        return out.bytes
    }

    init(bytes: [UInt8]) throws {
        var wire = WireReader(bytes[...])
        guard try wire.byte() == Self.version else { throw WireReader.Malformed() }
        hasKeyring = try wire.byte() == 1
        id = try wire.string()
        ociVersion = try wire.string()
        bundle = try wire.string()
        root = try wire.string()
        pid = Int32(truncatingIfNeeded: try wire.int64())
        startTime = try wire.int64()
        created = try wire.int64()
        owner = UInt32(truncatingIfNeeded: try wire.int64())
        func pairs() throws -> [String: String] {
            let list = try wire.list { (try $0.string(), try $0.string()) }
            return Dictionary(list, uniquingKeysWith: { _, last in last })
        }
        annotations = try pairs()
        cgroup = try pairs()
        resctrl = try pairs()
    }
}

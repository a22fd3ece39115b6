internal import CLinux
internal import Glibc
internal import LinuxSystem

/// From which NUMA nodes a process and its children take their memory, set_mempolicy(2). A process may give itself another one.
/// By the system calls themselves: of libnuma nothing else is needed.
public struct MemoryPolicy: Sendable, Hashable, CustomStringConvertible {
    /// linux/mempolicy.h.
    public enum Mode: Int32, Sendable {
        /// From the first of the nodes while it has some, then from wherever there is.
        case preferred = 1
        /// From these nodes or not at all.
        case bind
        /// From one after the other.
        case interleave
        /// From any of these nodes while they have some, then from wherever there is: Linux 5.15.
        case preferredMany = 5

        var name: String {
            switch self {
            case .preferred: "preferred"
            case .bind: "bind"
            case .interleave: "interleave"
            case .preferredMany: "preferred-many"
            }
        }
    }
    public var mode: Mode
    /// Not empty.
    public var nodes: [Int]
    public init(_ mode: Mode, _ nodes: [Int]) {
        self.mode = mode
        self.nodes = nodes
    }

    public var description: String {
        "\(mode.name) of NUMA nodes \(nodes.map(String.init).joined(separator: ","))"
    }

    /// What of it this machine takes, found out on a page that nobody uses: `preferred` in the place of `preferredMany` before
    /// Linux 5.15, nil where there are no policies, or none on these nodes. `bind` is refused rather than left out,
    /// unless the kernel knows one NUMA node alone, or `isWalled`: a cgroup keeps the process to the nodes.
    func accepted(isWalled: Bool) throws(SystemError) -> MemoryPolicy? {
        var refusal: Int32 = 0
        for mode in mode == .preferredMany ? [.preferredMany, .preferred] : [mode] {
            refusal = Self.trial(mode.rawValue, nodes)
            if refusal >= 0 { return MemoryPolicy(mode, nodes) }
        }
        if mode == .bind, refusal != -ENOSYS, !isWalled {
            throw SystemError(
                "set_mempolicy", description, errno: -refusal,
                hint:
                    "this machine cannot hold a task to its NUMA nodes, as `numa: strict` wants it")
        }
        return nil
    }

    /// -errno where mbind(2) does not take it.
    private static func trial(_ mode: Int32, _ nodes: [Int]) -> Int32 {
        let size = 4096
        guard
            let page = mmap(nil, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
            page != MAP_FAILED
        else { return -errno }
        defer { munmap(page, size) }
        let (words, bits) = mask(nodes)
        return cl_mbind(page, UInt(size), mode, words, bits)
    }

    /// On this process, from now on. -errno where it fails. `mode` may hold flags, too.
    static func set(_ mode: Int32, _ nodes: [Int]) -> Int32 {
        let (words, bits) = mask(nodes)
        return cl_set_mempolicy(mode, words, bits)
    }

    private static func mask(_ nodes: [Int]) -> (words: [UInt], bits: UInt) {
        var words = [UInt](repeating: 0, count: (nodes.max() ?? 0) / UInt.bitWidth + 1)
        for node in nodes { words[node / UInt.bitWidth] |= 1 << UInt(node % UInt.bitWidth) }
        // The kernel reads one bit less than it is told (set_mempolicy(2), "maxnode").
        return (words, nodes.isEmpty ? 0 : UInt(words.count * UInt.bitWidth + 1))
    }
}

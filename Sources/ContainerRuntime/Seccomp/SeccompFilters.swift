internal import Glibc
internal import LinuxSystem
internal import OCIRuntimeSpec

/// A launcher's compiled filters: its containers share a profile as a rule.
struct SeccompFilters {
    private let standard: SeccompFilter
    private var profiles: [ContainerSpec.Seccomp: SeccompFilter] = [:]
    private static let most = 64

    /// Compiles the standard one.
    init() throws(SystemError) {
        standard = try Self.compile(.docker(capabilities: Capabilities.docker))
    }

    /// Nil for no filter. Compiles a profile when it is first seen.
    mutating func filter(_ seccomp: ContainerSpec.Seccomp) throws(SystemError) -> SeccompFilter? {
        if seccomp == .standard { return standard }
        if let known = profiles[seccomp] { return known }
        guard let spec = seccomp.spec else { return nil }
        let filter = try Self.compile(spec)
        guard !filter.wantsListener else {
            throw SystemError(
                "seccomp", "SCMP_ACT_NOTIFY", errno: ENOTSUP, hint: "a task has no supervisor")
        }
        if profiles.count == Self.most { profiles = [:] }
        profiles[seccomp] = filter
        return filter
    }

    private static func compile(_ spec: SeccompSpec) throws(SystemError) -> SeccompFilter {
        // libseccomp's trees take megabytes for that moment, which every child would share.
        defer { Heap.trim() }
        do throws(SeccompError) {
            return try SeccompFilter(compiling: spec)
        } catch {
            throw SystemError("seccomp", "\(error)", errno: EINVAL)
        }
    }
}

public import OCIRuntimeSpec

extension SeccompProfile {
    /// The filter of a task with these capabilities on this machine.
    public func spec(capabilities: UInt64) -> SeccompSpec {
        let kernel = HostFacts.kernel()
        var spec = spec(
            in: Surroundings(
                capabilities: capabilities, architecture: Self.architecture,
                architectureName: Self.architectureName,
                kernel: KernelVersion(kernel.first ?? 0, kernel.dropFirst().first ?? 0)))
        // As in the standard one, and as runc does for a profile that names no flags.
        if spec.flags.isEmpty { spec.flags = ["SECCOMP_FILTER_FLAG_SPEC_ALLOW"] }
        return spec
    }

    #if arch(x86_64)
        private static let (architecture, architectureName) = ("amd64", "SCMP_ARCH_X86_64")
    #elseif arch(arm64)
        private static let (architecture, architectureName) = ("arm64", "SCMP_ARCH_AARCH64")
    #else
        private static let (architecture, architectureName) = ("riscv64", "SCMP_ARCH_RISCV64")
    #endif
}

extension ContainerSpec.Seccomp {
    /// What it stands for; nil where there is no filter.
    public var spec: SeccompSpec? {
        switch self {
        case .standard: .docker(capabilities: Capabilities.docker)
        case .unconfined: nil
        case .profile(let spec): spec
        }
    }
}

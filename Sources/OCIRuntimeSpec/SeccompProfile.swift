/// A filter in Docker's format (moby/profiles, seccomp): the specification's, with conditions on where its rules hold.
/// `linux.seccomp` of a config.json is one without conditions.
public struct SeccompProfile: Sendable, Hashable {
    public struct Rule: Sendable, Hashable {
        public var rule: SeccompSpec.Rule
        /// Holds where all of these are met,
        public var includes = Condition()
        /// and none of these is.
        public var excludes = Condition()
        public init(_ rule: SeccompSpec.Rule) { self.rule = rule }
    }

    public struct Condition: Sendable, Hashable {
        /// Bit n for capability n.
        public var capabilities: UInt64 = 0
        /// Docker's names: `amd64`.
        public var architectures: [String] = []
        public var minimumKernel: KernelVersion?
        public init() {}
    }

    /// An architecture with those whose programs it runs as well; `SCMP_ARCH_…`.
    public struct ArchitectureFamily: Sendable, Hashable {
        public var architecture: String
        public var subArchitectures: [String] = []
        public init(architecture: String) { self.architecture = architecture }
    }

    /// Where a container is to run, and with what.
    public struct Surroundings: Sendable, Hashable {
        /// Bit n for capability n of its bounding set.
        public var capabilities: UInt64
        /// `amd64`, and `SCMP_ARCH_X86_64`.
        public var architecture: String
        public var architectureName: String
        public var kernel: KernelVersion
        public init(
            capabilities: UInt64, architecture: String, architectureName: String,
            kernel: KernelVersion
        ) {
            self.capabilities = capabilities
            self.architecture = architecture
            self.architectureName = architectureName
            self.kernel = kernel
        }
    }

    /// What holds everywhere, without rules.
    public var base: SeccompSpec
    public var families: [ArchitectureFamily] = []
    public var rules: [Rule] = []

    public init(_ base: SeccompSpec) { self.base = base }

    /// The filter of a container in these surroundings.
    public func spec(in surroundings: Surroundings) -> SeccompSpec {
        var spec = base
        for family in families where family.architecture == surroundings.architectureName {
            spec.architectures += [family.architecture] + family.subArchitectures
        }
        spec.syscalls = rules.filter {
            $0.includes.holdsAltogether(in: surroundings)
                && !$0.excludes.holdsSomehow(in: surroundings)
        }.map(\.rule)
        return spec
    }
}

extension SeccompProfile.Condition {
    fileprivate func holdsAltogether(in surroundings: SeccompProfile.Surroundings) -> Bool {
        capabilities & ~surroundings.capabilities == 0
            && (architectures.isEmpty || architectures.contains(surroundings.architecture))
            && (minimumKernel.map { $0 <= surroundings.kernel } ?? true)
    }

    fileprivate func holdsSomehow(in surroundings: SeccompProfile.Surroundings) -> Bool {
        capabilities & surroundings.capabilities != 0
            || architectures.contains(surroundings.architecture)
            || (minimumKernel.map { $0 <= surroundings.kernel } ?? false)
    }
}

/// The first two numbers of a kernel's version: 6.1.
public struct KernelVersion: Sendable, Hashable, Comparable {
    public var major: Int
    public var minor: Int
    public init(_ major: Int, _ minor: Int) {
        self.major = major
        self.minor = minor
    }
    public static func < (a: Self, b: Self) -> Bool { (a.major, a.minor) < (b.major, b.minor) }
}

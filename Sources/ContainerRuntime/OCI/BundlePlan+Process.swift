internal import Glibc
internal import LinuxSystem
internal import OCIRuntimeSpec

// MARK: The process

extension BundlePlan {
    /// What is written to files below /proc/self, or to the machine's namespaces, before the tree changes.
    mutating func planOwnFiles() throws(SpecError) {
        if let score = process.oomScoreAdj {
            // In another user namespace its own file may not be its own any more, proc(5).
            if joins.isEmpty {
                steps.append(.process(.oomScore(score)))
            } else {
                inherited.append(.process(.oomScore(score)))
            }
        }
        if isNew(.time) { steps.append(.process(.timeNamespace(offsets: timeOffsets))) }
        if has(.cgroup), isNew(.cgroup) { steps.append(.process(.cgroupNamespace)) }
        if let name = spec.hostname {
            guard has(.uts) else {
                throw Self.problem("hostname", "the container has no UTS namespace of its own")
            }
            steps.append(.hostname(name))
        }
        if let name = spec.domainname {
            guard has(.uts) else {
                throw Self.problem("domainname", "the container has no UTS namespace of its own")
            }
            steps.append(.process(.domainname(name)))
        }
        if isNew(.network) { steps.append(.loopback) }
        for name in spec.linux.sysctl.keys { try checkSysctl(name) }
    }

    /// Only what belongs to a namespace of the container's own: anything else is the whole machine's (config-linux.md,
    /// "Sysctl"; sysctls by namespace as in the kernel's Documentation/admin-guide/sysctl).
    private func checkSysctl(_ name: String) throws(SpecError) {
        let field = "linux.sysctl.\(name)"
        let path = name.replacing(".", with: "/")
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard !parts.contains(""), !parts.contains("..") else {
            throw Self.problem(field, "no name of a kernel parameter")
        }
        let ofIPC = ["kernel/msg", "kernel/sem", "kernel/shm", "fs/mqueue/"]
        let needed: NamespaceSpec.Kind? =
            if path.hasPrefix("net/") {
                .network
            } else if ofIPC.contains(where: path.hasPrefix) {
                .ipc
            } else if path == "kernel/domainname" || path == "kernel/hostname" {
                .uts
            } else {
                nil
            }
        guard let needed else {
            throw Self.problem(field, "it is the machine's, and not a container's to set")
        }
        guard has(needed) else {
            throw Self.problem(
                field, "the container has no \(needed.rawValue) namespace of its own")
        }
    }

    mutating func planProcess(_ state: ContainerState) throws(SpecError) {
        if let personality = spec.linux.personality {
            steps.append(.process(try Self.domain(personality)))
        }
        if let policy = spec.linux.memoryPolicy {
            steps.append(.process(try Self.memoryPolicy(policy)))
        }
        if host.hasKeyring { steps.append(.process(.sessionKeyring(state.id))) }
        let plan = ProcessPlan(
            process: process, filter: filter, host: host, canSetGroups: canSetGroups)
        steps += try plan.traits()
        // Others may be there, or come, who could look (CVE-2016-9962): before its rights are no more than theirs. A program's
        // exec ends it.
        steps.append(.undumpable)
        steps += try plan.privileges()
        steps.append(.process(.requireProgram(process.args, process.env)))
        steps.append(.process(.awaitStart))
        let hooks = spec.hooks.startContainer
        if !hooks.isEmpty {
            steps.append(.process(.hooks(hooks, field: "hooks.startContainer", state: state)))
        }
        steps += try plan.entry()
    }

    /// sys/personality.h: PER_LINUX and PER_LINUX32.
    private static func domain(_ personality: PersonalitySpec) throws(SpecError) -> ProcessStep {
        switch personality.domain {
        case "LINUX": return .personality(0)
        case "LINUX32": return .personality(8)
        default:
            throw problem(
                "linux.personality.domain", "\(personality.domain) is not LINUX or LINUX32")
        }
    }

    /// linux/mempolicy.h.
    static let memoryModes: [String: Int32] = [
        "MPOL_DEFAULT": 0, "MPOL_PREFERRED": 1, "MPOL_BIND": 2, "MPOL_INTERLEAVE": 3,
        "MPOL_LOCAL": 4, "MPOL_PREFERRED_MANY": 5, "MPOL_WEIGHTED_INTERLEAVE": 6,
    ]
    static let memoryFlags: [String: Int32] = [
        "MPOL_F_STATIC_NODES": 1 << 15, "MPOL_F_RELATIVE_NODES": 1 << 14,
        "MPOL_F_NUMA_BALANCING": 1 << 13,
    ]

    private static func memoryPolicy(_ policy: MemoryPolicySpec) throws(SpecError) -> ProcessStep {
        guard var mode = memoryModes[policy.mode] else {
            throw problem("linux.memoryPolicy.mode", "\(policy.mode) is no memory policy")
        }
        for flag in policy.flags {
            guard let bit = memoryFlags[flag] else {
                throw problem("linux.memoryPolicy.flags", "\(flag) is no flag of a memory policy")
            }
            mode |= bit
        }
        guard let nodes = NumberList.parse(policy.nodes) else {
            throw problem("linux.memoryPolicy.nodes", "\(policy.nodes) is no list of nodes")
        }
        return .memoryPolicy(mode: mode, nodes: nodes)
    }
}

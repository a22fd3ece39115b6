internal import OCIRuntimeSpec

/// The steps from a process in its surroundings to its program, for the first process of a bundle's container and for those
/// that `exec` adds. Pure.
struct ProcessPlan {
    let process: ProcessSpec
    /// Compiled from `linux.seccomp`.
    let filter: SeccompFilter?
    let host: BundleHost
    let canSetGroups: Bool

    /// What it is, with the rights of whoever sets it up.
    func traits() throws(SpecError) -> [SetupStep] {
        var steps: [SetupStep] = [.process(.ownNull)]
        let limits = process.rlimits.map {
            ContainerSpec.ResourceLimit(resource: $0.resource, soft: $0.soft, hard: $0.hard)
        }
        if !limits.isEmpty { steps.append(.resourceLimits(limits)) }
        if let scheduler = process.scheduler { steps.append(.process(.scheduler(scheduler))) }
        if let priority = process.ioPriority { steps.append(.process(.ioPriority(priority))) }
        steps.append(.umask(process.user.umask ?? 0o022))
        if let profile = process.apparmorProfile, profile != "" {
            guard host.hasAppArmor else {
                throw BundlePlan.problem(
                    "process.apparmorProfile", "this machine has no AppArmor")
            }
            steps.append(.process(.apparmor(profile)))
        }
        if let label = process.selinuxLabel, label != "" {
            guard host.hasSELinux else {
                throw BundlePlan.problem("process.selinuxLabel", "this machine has no SELinux")
            }
            steps.append(.process(.selinux(label)))
        }
        return steps
    }

    /// Who it is and what it may do. Without no_new_privs a filter takes a capability to install, so it comes while there is
    /// one (seccomp(2)).
    func privileges() throws(SpecError) -> [SetupStep] {
        var steps: [SetupStep] = []
        if !process.noNewPrivileges, let filter { steps.append(.seccomp(filter)) }
        steps += [.keepCapabilities, try ids(), .capabilitySets(capabilities)]
        // As its user: a directory that it may not enter is an error now.
        steps.append(.workingDirectory(process.cwd))
        return steps
    }

    /// The last steps. Nothing but exec comes after a filter that is installed here.
    func entry() throws(SpecError) -> [SetupStep] {
        guard !process.args.isEmpty else { throw BundlePlan.problem("process.args", "missing") }
        let environment = host.listening?.added(to: process.env) ?? process.env
        var steps: [SetupStep] = [
            .process(
                .lookUpProgram(
                    process.args, environment, preserved: host.preserved,
                    listens: host.listening != nil))
        ]
        if process.noNewPrivileges {
            steps.append(.noNewPrivileges)
            if let filter { steps.append(.seccomp(filter)) }
        }
        return steps + [.exec(process.args, environment)]
    }

    private func ids() throws(SpecError) -> SetupStep {
        let user = process.user
        guard !canSetGroups else {
            return .ids(uid: user.uid, gid: user.gid, groups: user.additionalGids)
        }
        if !user.additionalGids.isEmpty {
            throw BundlePlan.problem(
                "process.user.additionalGids",
                "an ordinary user without subordinate ids cannot set groups")
        }
        return .ids(uid: user.uid, gid: user.gid, groups: nil)
    }

    /// None where the document gives none (config.md, "capabilities").
    private var capabilities: CapabilitySets {
        let sets = process.capabilities ?? CapabilitiesSpec()
        return CapabilitySets(
            bounding: sets.bounding, effective: sets.effective, permitted: sets.permitted,
            inheritable: sets.inheritable, ambient: sets.ambient)
    }
}

internal import LinuxSystem
package import OCIRuntimeSpec

/// What this build can do, and what of it this machine has (features.md).
package enum RuntimeFeatures {
    package static func detect() -> Features {
        var features = Features()
        features.hooks = [
            "prestart", "createRuntime", "createContainer", "startContainer", "poststart",
            "poststop",
        ]
        features.mountOptions = MountOptions.names
        features.linux = linux(BundleHost.detect())
        features.annotations = [
            "io.martlet.rootless.cgroups":
                "an ordinary user's container goes without a cgroup where none can be made and no limit is asked for",
            "io.martlet.rootless.devices":
                "in a user namespace device nodes are the machine's, bound; the device filter is left out where it is refused",
        ]
        return features
    }

    private static func linux(_ host: BundleHost) -> LinuxFeatures {
        var linux = LinuxFeatures()
        linux.namespaces = NamespaceSpec.Kind.allCases.map(\.rawValue).sorted()
        linux.capabilities = CapabilitiesSpec.names.map { "\($0)" }
        linux.cgroup.v1 = true
        linux.cgroup.v2 = true
        linux.cgroup.systemd = true
        linux.cgroup.systemdUser = true
        linux.cgroup.rdma = true
        linux.seccomp.enabled = true
        linux.seccomp.actions = SeccompSpec.actions.map { "\($0)" }
        linux.seccomp.operators = SeccompSpec.operators.map { "\($0)" }
        linux.seccomp.archs = SeccompSpec.architectureNames.map { "\($0)" }
        linux.seccomp.knownFlags = SeccompSpec.flagNames.map { "\($0)" }
        linux.seccomp.supportedFlags = linux.seccomp.knownFlags
        linux.apparmor = host.hasAppArmor
        linux.selinux = host.hasSELinux
        linux.memoryPolicy.modes = BundlePlan.memoryModes.keys.sorted()
        linux.memoryPolicy.flags = BundlePlan.memoryFlags.keys.sorted()
        linux.idmappedMounts = true
        linux.netDevices = false
        return linux
    }
}

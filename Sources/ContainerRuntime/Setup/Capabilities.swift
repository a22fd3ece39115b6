internal import CLinux
internal import Glibc
internal import LinuxSystem
internal import OCIRuntimeSpec

/// Capability sets as bit masks, capability(7).
public enum Capabilities {
    /// What Docker leaves to root in a container (moby, oci/caps/defaults.go), without net_raw: the network is the
    /// machine's own, and nobody who runs a batch forges packets on it.
    public static let docker = mask([
        "chown", "dac_override", "fsetid", "fowner", "mknod", "setgid", "setuid", "setfcap",
        "setpcap",
        "net_bind_service", "sys_chroot", "kill", "audit_write",
    ])

    /// What pasta needs until it has dropped all but what it works with: to enter a container's network and set it up, to bind
    /// low ports, and to shut itself up in an empty root.
    static let pasta = mask(["net_admin", "net_bind_service", "setgid", "setuid", "sys_admin"])

    /// Makes those of `capabilities` that this process has inheritable: a program that it runs as root gets them whatever the
    /// bounding set says later (capabilities(7)). Containers clear the set before they run anything.
    static func keep(_ capabilities: UInt64) throws(SystemError) {
        let permitted = try permitted()
        try check(cl_capset(permitted, permitted, capabilities & permitted), "capset")
    }

    /// This process's.
    static func permitted() throws(SystemError) -> UInt64 {
        let status = try Files.text("/proc/self/status")
        let line = status.split(separator: "\n").first { $0.hasPrefix("CapPrm:") }
        let permitted = line.flatMap {
            UInt64($0.dropFirst(7).trimmingPrefix { $0.isWhitespace }, radix: 16)
        }
        guard let permitted else { throw SystemError("read", "/proc/self/status", errno: EBADMSG) }
        return permitted
    }

    /// Takes from this process's bounding set all that is not in `keep`: what it executes can never have more (capability(7)).
    /// Done once by the launcher, which keeps its own capabilities, and inherited by every child.
    static func bound(to keep: UInt64) throws(SystemError) {
        for capability in 0..<UInt(64) where keep & 1 << capability == 0 {
            let result = cl_prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
            // This kernel knows no capability of that number, nor any above it.
            if result == -EINVAL { return }
            try check(result, "prctl(PR_CAPBSET_DROP)", "\(capability)")
        }
    }

    /// Of names in small letters, without their prefix.
    static func mask(_ names: [String]) -> UInt64 {
        CapabilitiesSpec.mask(names.map { "CAP_" + $0.uppercased() })
    }

    /// `CAP_NET_RAW`, in any case, with or without its prefix; nil where there is none of that name.
    public static func mask(named name: String) -> UInt64? {
        let upper = name.uppercased()
        let mask = CapabilitiesSpec.mask([upper.hasPrefix("CAP_") ? upper : "CAP_" + upper])
        return mask == 0 ? nil : mask
    }

    static func names(in mask: UInt64) -> [String] {
        CapabilitiesSpec.names(in: mask).map { $0.dropFirst(4).lowercased() }
    }
}

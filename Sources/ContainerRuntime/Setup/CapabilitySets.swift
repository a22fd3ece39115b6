internal import CLinux
internal import Glibc
internal import LinuxSystem

/// The five sets of a process, capability(7), as bit masks.
public struct CapabilitySets: Sendable, Hashable, CustomStringConvertible {
    public var bounding: UInt64
    public var effective: UInt64
    public var permitted: UInt64
    public var inheritable: UInt64
    public var ambient: UInt64

    public init(
        bounding: UInt64 = 0, effective: UInt64 = 0, permitted: UInt64 = 0,
        inheritable: UInt64 = 0, ambient: UInt64 = 0
    ) {
        self.bounding = bounding
        self.effective = effective
        self.permitted = permitted
        self.inheritable = inheritable
        self.ambient = ambient
    }

    /// What a program run as root gets, whatever the bounding set says (capabilities(7)): that of the launcher, and with it every
    /// container's, is lowered for good.
    static func inherited(_ set: UInt64) -> CapabilitySets {
        .init(bounding: Capabilities.docker, effective: set, permitted: set, inheritable: set)
    }

    /// Equal sets stand together.
    public var description: String {
        var groups: [(names: String, mask: UInt64)] = []
        for (name, mask) in [
            ("bounding", bounding), ("effective", effective), ("permitted", permitted),
            ("inheritable", inheritable), ("ambient", ambient),
        ] {
            if let place = groups.firstIndex(where: { $0.mask == mask }) {
                groups[place].names += ", " + name
            } else {
                groups.append((name, mask))
            }
        }
        return groups.map { "\($0): \(Capabilities.names(in: $1).joined(separator: " "))" }
            .joined(separator: "; ")
    }

    /// After a change of user over which capabilities were kept. To lower the bounding set takes a capability of its own, so that
    /// comes first, with all that is permitted in effect.
    func apply() throws(SystemError) {
        let held = permitted | Capabilities.mask(["setpcap"])
        try check(cl_capset(held, held, inheritable & held), "capset", "to bound")
        try Capabilities.bound(to: bounding)
        try check(cl_capset(effective, permitted, inheritable), "capset")
        try check(
            cl_prctl(PR_CAP_AMBIENT, UInt(PR_CAP_AMBIENT_CLEAR_ALL), 0, 0, 0),
            "prctl(PR_CAP_AMBIENT)")
        for capability in 0..<UInt(64) where ambient & 1 << capability != 0 {
            try check(
                cl_prctl(PR_CAP_AMBIENT, UInt(PR_CAP_AMBIENT_RAISE), capability, 0, 0),
                "prctl(PR_CAP_AMBIENT_RAISE)", "\(capability)")
        }
    }
}

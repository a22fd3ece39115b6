internal import OCIRuntimeSpec

/// Which devices a container may make and open: its document's rules on top of what every container has.
///
/// The last rule that names a device and an access decides on that access. Nothing is allowed but the devices that
/// config-linux.md has every container given ("Default Devices"), pseudo terminals, and making any node, which without opening
/// it is harmless. A document's "deny all" leaves those, as runc has it: podman writes that rule and no other.
struct DeviceRules: Equatable {
    /// From the weakest to the strongest; before all of them stands "deny all".
    var rules: [DeviceRule]

    init(_ own: [DeviceRule]) {
        rules = Self.always
        for rule in own.map(\.withoutWildcards) where rule.accessBits != 0 {
            if !rule.allow, rule.namesEverything { rules = Self.always } else { rules.append(rule) }
        }
    }

    /// Documentation/admin-guide/devices.txt.
    static let always: [DeviceRule] =
        [
            rule("c", nil, nil, "m"), rule("b", nil, nil, "m"),
        ]
        // null, zero, full, random, urandom; tty, console, ptmx; the terminals of /dev/pts.
        + [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2), (136, nil)].map {
            rule("c", $0.0, $0.1, "rwm")
        }

    private static func rule(_ kind: String, _ major: Int64?, _ minor: Int64?, _ access: String)
        -> DeviceRule
    {
        var rule = DeviceRule(allow: true)
        rule.kind = kind
        rule.major = major
        rule.minor = minor
        rule.access = access
        return rule
    }
}

extension DeviceRule {
    /// runc's kind of document writes "any" as -1, too.
    var withoutWildcards: DeviceRule {
        var rule = self
        if let major, major < 0 { rule.major = nil }
        if let minor, minor < 0 { rule.minor = nil }
        return rule
    }

    var namesEverything: Bool {
        kind == "a" && major == nil && minor == nil && accessBits == DeviceProgram.allAccess
    }

    /// BPF_DEVCG_ACC_MKNOD, _READ and _WRITE of linux/bpf.h.
    var accessBits: UInt32 {
        (access.contains("m") ? 1 : 0) | (access.contains("r") ? 2 : 0)
            | (access.contains("w") ? 4 : 0)
    }
}

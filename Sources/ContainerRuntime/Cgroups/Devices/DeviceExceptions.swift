internal import Glibc
internal import LinuxSystem
internal import OCIRuntimeSpec

/// Device rules as the v1 controller keeps them (cgroup-v1/devices.rst): all allowed or none, with exceptions. Pure.
struct DeviceExceptions: Equatable {
    struct Device: Hashable {
        /// `c` or `b`.
        var kind: String
        var major: Int64?
        var minor: Int64?

        static func any(_ kind: String) -> Device { Device(kind: kind, major: nil, minor: nil) }

        func covers(_ other: Device) -> Bool {
            kind == other.kind && (major == nil || major == other.major)
                && (minor == nil || minor == other.minor)
        }

        func overlaps(_ other: Device) -> Bool {
            kind == other.kind
                && (major == nil || other.major == nil || major == other.major)
                && (minor == nil || other.minor == nil || minor == other.minor)
        }
    }

    /// BPF_DEVCG_ACC_MKNOD, as in `DeviceRule.accessBits`.
    private static let make: UInt32 = 1

    private(set) var allowsAll = false
    /// Accesses, as `DeviceRule.accessBits`, that are the opposite of the rule for all.
    private(set) var exceptions: [Device: UInt32] = [:]
    /// Denials of nodes that can be made all the same, as lines.
    private(set) var makeable: [String] = []

    /// Throws EOPNOTSUPP for a rule that takes a part out of a wider exception, which v1 cannot keep. That some node may not
    /// be made where any may be is left undone instead: a node that cannot be opened is harmless, and Docker denies
    /// every container one (c 10:229).
    init(_ rules: DeviceRules) throws(SystemError) {
        for rule in rules.rules { try add(rule) }
    }

    /// The lines of devices.list.
    init(list: String) {
        for line in list.split(separator: "\n") {
            let words = line.split(whereSeparator: { $0 == " " || $0 == ":" }).map(String.init)
            guard words.count == 4 else { continue }
            var rule = DeviceRule(allow: true)
            rule.kind = words[0]
            rule.major = Int64(words[1])
            rule.minor = Int64(words[2])
            rule.access = words[3]
            // Of allowances alone nothing is taken out.
            try? add(rule)
        }
    }

    private mutating func add(_ rule: DeviceRule) throws(SystemError) {
        if rule.namesEverything {
            allowsAll = rule.allow
            exceptions = [:]
            return
        }
        for kind in rule.kind == "a" ? ["b", "c"] : [rule.kind] {
            let device = Device(kind: kind, major: rule.major, minor: rule.minor)
            if rule.allow == allowsAll {
                try remove(device, rule)
            } else {
                exceptions[device, default: 0] |= rule.accessBits
            }
        }
    }

    private mutating func remove(_ device: Device, _ rule: DeviceRule) throws(SystemError) {
        for (other, access) in exceptions where access & rule.accessBits != 0 {
            if device.covers(other) {
                let left = access & ~rule.accessBits
                exceptions[other] = left == 0 ? nil : left
            } else if device.overlaps(other) {
                if !rule.allow, other == .any(device.kind), access & rule.accessBits == Self.make {
                    makeable.append(Self.line(device, Self.make))
                    continue
                }
                throw SystemError(
                    "set", "linux.resources.devices", errno: EOPNOTSUPP,
                    hint:
                        "cgroup v1 cannot \(rule.allow ? "allow" : "deny") \(Self.line(device, rule.accessBits)) within \(Self.line(other, access))"
                )
            }
        }
    }

    /// `c 1:3 rwm`
    static func line(_ device: Device, _ access: UInt32) -> String {
        let number = { (number: Int64?) in number.map(String.init) ?? "*" }
        let letters =
            (access & 2 != 0 ? "r" : "") + (access & 4 != 0 ? "w" : "")
            + (access & 1 != 0 ? "m" : "")
        return "\(device.kind) \(number(device.major)):\(number(device.minor)) \(letters)"
    }

    /// Writes that lead from `current` here. A container may be running: where none was allowed before either, what it keeps
    /// is never taken away in between.
    func writes(from current: DeviceExceptions) -> [(file: String, lines: [String])] {
        let (add, take) = ("devices.allow", "devices.deny")
        if allowsAll { return [(add, ["a"]), (take, lines(exceptions))] }
        if current.allowsAll { return [(take, ["a"]), (add, lines(exceptions))] }
        return [
            (add, lines(exceptions.without(current.exceptions))),
            (take, lines(current.exceptions.without(exceptions))),
        ]
    }

    private func lines(_ exceptions: [Device: UInt32]) -> [String] {
        exceptions.map { Self.line($0, $1) }.sorted()
    }
}

extension [DeviceExceptions.Device: UInt32] {
    fileprivate func without(_ other: Self) -> Self {
        var left: Self = [:]
        for (device, access) in self {
            let rest = access & ~(other[device] ?? 0)
            if rest != 0 { left[device] = rest }
        }
        return left
    }
}

internal import Glibc
internal import LinuxSystem

/// `linux.cgroupsPath` for the manager cgroupfs (config-linux.md, "Cgroups Path").
struct CgroupPath: Sendable, Equatable {
    /// Beneath the mount, or else beneath the runtime's own cgroup.
    let isAbsolute: Bool
    let components: [String]

    /// Throws EINVAL for a path that could lead elsewhere than it seems to: `..`, `.`, and empty components.
    init(_ text: String) throws(SystemError) {
        isAbsolute = text.hasPrefix("/")
        components = (isAbsolute ? text.dropFirst() : text[...])
            .split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        for component in components { try Self.check(component, in: text) }
    }

    static func check(_ component: String, in text: String) throws(SystemError) {
        let problem: String? =
            switch component {
            case "": "an empty component"
            case ".", "..": "the component \(component)"
            // The kernel refuses a line's end, and the others would not survive a line of /proc/self/cgroup.
            case _ where component.utf8.contains { $0 < 0x20 || $0 == 0x7f }: "a control character"
            case _ where component.utf8.count > 255: "a component of more than 255 bytes"
            default: nil
            }
        guard let problem else { return }
        throw SystemError(
            "use", "linux.cgroupsPath \(text)", errno: EINVAL, hint: "it has \(problem)")
    }

    var text: String { components.joined(separator: "/") }
}

/// `slice:prefix:name` for the manager systemd: a transient scope `prefix-name.scope` in the slice.
struct SystemdScopeName: Sendable, Equatable {
    let slice: String
    /// The unit, with its `.scope`.
    let unit: String

    init(slice: String, unit: String) { (self.slice, self.unit) = (slice, unit) }

    /// A path that the document leaves out means the machine's or the user's slice, and the container's id.
    init(_ text: String?, id: String, isUser: Bool) throws(SystemError) {
        let ordinary = isUser ? "user.slice" : "system.slice"
        let text = text.flatMap { $0.isEmpty ? nil : $0 } ?? "\(ordinary):martlet:\(id)"
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3, !parts[2].isEmpty else {
            throw Self.invalid(text, "the manager systemd wants slice:prefix:name")
        }
        slice = parts[0].isEmpty ? ordinary : parts[0]
        unit = (parts[1].isEmpty ? "" : parts[1] + "-") + parts[2] + ".scope"
        guard slice == "-.slice" || Self.isSlice(slice) else {
            throw Self.invalid(text, "\(slice) is no name of a slice")
        }
        guard unit.utf8.count <= 255, unit.utf8.allSatisfy(Self.isUnitByte) else {
            throw Self.invalid(text, "\(unit) is no name of a unit")
        }
    }

    /// systemd.slice(5): dashes are the way down, so none stands at an end or beside another.
    private static func isSlice(_ name: String) -> Bool {
        guard name.hasSuffix(".slice"), name.utf8.allSatisfy(isUnitByte) else { return false }
        return !name.dropLast(6).split(separator: "-", omittingEmptySubsequences: false)
            .contains("")
    }

    /// systemd.unit(5).
    private static func isUnitByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"):
            true
        default: ":-_.\\@".utf8.contains(byte)
        }
    }

    private static func invalid(_ text: String, _ problem: String) -> SystemError {
        SystemError("use", "linux.cgroupsPath \(text)", errno: EINVAL, hint: problem)
    }
}

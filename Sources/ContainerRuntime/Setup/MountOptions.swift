internal import Glibc

/// What a mount's options ask for. The names are those of config.md, "Linux mount options", and of mount(8).
struct MountOptions: Sendable, Hashable {
    /// An option of the file system itself.
    struct Parameter: Sendable, Hashable {
        let key: String
        /// Nil for a flag.
        let value: String?
    }

    /// MOUNT_ATTR_ flags of this mount, and of it with all mounts below, mount_setattr(2).
    var set: UInt64 = 0
    var clear: UInt64 = 0
    var recursiveSet: UInt64 = 0
    var recursiveClear: UInt64 = 0
    /// MS_SHARED and the like, with MS_REC where it stands for the mounts below, too; in order.
    var propagation: [UInt] = []
    var isBind = false
    var isRecursive = false
    /// The mount starts with a copy of what the image has there.
    var copiesUp = false
    /// `idmap` and `ridmap`; the latter for mounts below, too.
    var isIDMapped = false
    var isIDMappedBelow = false
    var parameters: [Parameter] = []

    init(_ options: [String]) {
        for option in options { read(option) }
    }

    var isReadOnly: Bool { (set | recursiveSet) & attrReadOnly != 0 }

    private mutating func read(_ option: String) {
        if let change = Self.attributes[option] {
            change.apply(&set, &clear)
        } else if option.hasPrefix("r"), let change = Self.attributes[String(option.dropFirst())] {
            change.apply(&recursiveSet, &recursiveClear)
        } else if let flag = Self.propagations[option] {
            propagation.append(flag)
        } else {
            readOther(option)
        }
    }

    private mutating func readOther(_ option: String) {
        switch option {
        case "defaults", "": break
        case "bind": isBind = true
        case "rbind": (isBind, isRecursive) = (true, true)
        case "tmpcopyup": copiesUp = true
        case "idmap": isIDMapped = true
        case "ridmap": (isIDMapped, isIDMappedBelow) = (true, true)
        default:
            let parts = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            parameters.append(
                Parameter(
                    key: String(parts[0]), value: parts.count == 2 ? String(parts[1]) : nil))
        }
    }

    private struct Change {
        var set: UInt64 = 0
        var clear: UInt64 = 0
        /// A later option wins.
        func apply(_ sets: inout UInt64, _ clears: inout UInt64) {
            sets = sets & ~clear | set
            clears = clears & ~set | clear
        }
    }

    // linux/mount.h. Times of access are one field of two bits, which is cleared to be set.
    private static let accessTimes: UInt64 = 0x70
    private static let attributes: [String: Change] = [
        "ro": Change(set: attrReadOnly), "rw": Change(clear: attrReadOnly),
        "nosuid": Change(set: attrNoSuid), "suid": Change(clear: attrNoSuid),
        "nodev": Change(set: attrNoDev), "dev": Change(clear: attrNoDev),
        "noexec": Change(set: attrNoExec), "exec": Change(clear: attrNoExec),
        "noatime": Change(set: 0x10, clear: accessTimes & ~0x10),
        "strictatime": Change(set: 0x20, clear: accessTimes & ~0x20),
        "relatime": Change(clear: accessTimes), "atime": Change(clear: accessTimes),
        "norelatime": Change(clear: accessTimes), "nostrictatime": Change(clear: accessTimes),
        "nodiratime": Change(set: 0x80), "diratime": Change(clear: 0x80),
        "nosymfollow": Change(set: 0x20_0000), "symfollow": Change(clear: 0x20_0000),
    ]

    private static let propagations: [String: UInt] = {
        let kinds = [
            "shared": UInt(MS_SHARED), "slave": UInt(MS_SLAVE), "private": UInt(MS_PRIVATE),
            "unbindable": UInt(MS_UNBINDABLE),
        ]
        var all = kinds
        for (name, flag) in kinds { all["r" + name] = flag | UInt(MS_REC) }
        return all
    }()

    /// For `features`, sorted.
    static var names: [String] {
        let plain = Array(attributes.keys)
        return
            (plain + plain.map { "r" + $0 } + Array(propagations.keys)
            + ["bind", "rbind", "defaults", "tmpcopyup", "idmap", "ridmap"]).sorted()
    }

    /// MS_ flag of a `rootfsPropagation`; nil where it is none.
    static func propagation(_ name: String) -> UInt? { propagations[name] }

    /// MOUNT_ATTR_ERRORS: times of access must be cleared as a whole wherever they are set.
    static func clearing(_ set: UInt64, _ clear: UInt64) -> UInt64 {
        (set | clear) & accessTimes != 0 ? clear | accessTimes : clear
    }
}

internal import Glibc
internal import LinuxSystem

/// The machine that writes to a store, and its boot: what one wrote and had not flushed when it went down is in doubt.
public struct StoreNode: Sendable, Hashable {
    /// The same through reboots, and no other machine's.
    public var machine: String
    public var boot: String
    /// Whether other machines write to the same store: then what they wrote is theirs to doubt, for one that is closed on such a
    /// file system is on its server (close-to-open consistency, nfs(5)). Nil asks the file system.
    public var isShared: Bool?
    public init(machine: String, boot: String, isShared: Bool? = nil) {
        self.machine = machine
        self.boot = boot
        self.isShared = isShared
    }

    public static let current: StoreNode = {
        // Without /proc every boot looks like this one.
        let boot = (try? Files.text("/proc/sys/kernel/random/boot_id")) ?? ""
        // Nodes that boot from one image have one machine id, or none; their names differ.
        let id = (try? Files.text("/etc/machine-id")) ?? ""
        return StoreNode(machine: "\(hostName)/\(firstLine(id))", boot: firstLine(boot))
    }()

    private static func firstLine(_ text: String) -> String { String(text.prefix { $0 != "\n" }) }

    package static var hostName: String {
        var name = [CChar](repeating: 0, count: 256)
        // A name that is too long is cut.
        gethostname(&name, name.count - 1)
        return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// What stands beside a layer until it is flushed.
    var mark: String { "\(boot) \(machine)" }

    /// Whether a layer with this mark is as good as it was when it was published.
    func trusts(_ mark: String, in directory: String) -> Bool {
        if mark == self.mark { return true }
        let words = mark.split(separator: " ", maxSplits: 1)
        guard words.count == 2 else { return false }
        if words[0] == boot { return true }
        return words[1] != machine && (isShared ?? Self.isShared(directory))
    }

    private static func isShared(_ directory: String) -> Bool {
        // What cannot be asked has no layers either.
        guard let type = try? Files.fileSystemType(directory) else { return false }
        return sharedTypes.contains(type)
    }

    /// NFS, SMB, CIFS, SMB2, Lustre, GPFS, Ceph, FUSE (BeeGFS's and others' clients), BeeGFS, AFS, 9p, OCFS2, GFS2: statfs(2) and
    /// the file systems' own headers.
    private static let sharedTypes: Set<Int64> = [
        0x6969, 0x517B, 0xFF53_4D42, 0xFE53_4D42, 0x0BD0_0BD0, 0x4750_4653, 0x00C3_6400,
        0x6573_5546,
        0x1983_0326, 0x5346_414F, 0x0102_1997, 0x7461_636F, 0x0116_1970,
    ]
}

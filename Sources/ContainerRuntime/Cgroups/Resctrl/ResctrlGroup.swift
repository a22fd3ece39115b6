internal import Glibc
public import LinuxSystem
public import OCIRuntimeSpec

/// `linux.intelRdt`: a class of service with its share of caches and memory bandwidth, and a group that counts for one
/// container (config-linux.md, "IntelRdt"; Documentation/filesystems/resctrl.rst).
public struct ResctrlGroup: Sendable, Equatable {
    /// Of the class; several containers may share it.
    public let directory: String
    /// It is this container's own and goes with it.
    let isOwn: Bool
    /// What counts for this container alone, where that was asked for.
    let monitor: String?

    private static let root = "/sys/fs/resctrl"
    /// RDTGROUP_SUPER_MAGIC of linux/magic.h.
    private static let magic: Int64 = 0x0765_5821

    /// Throws EOPNOTSUPP where the machine has no such thing, and EINVAL where a class that exists is another than asked for.
    public static func make(_ spec: IntelRdtSpec, id: String) throws(SystemError) -> ResctrlGroup {
        guard (try? Files.fileSystemType(root)) == magic else {
            throw SystemError(
                "set", "linux.intelRdt", errno: EOPNOTSUPP, hint: "no resctrl is mounted at \(root)"
            )
        }
        return try make(spec, id: id, root: root)
    }

    static func make(_ spec: IntelRdtSpec, id: String, root: String) throws(SystemError)
        -> ResctrlGroup
    {
        let lines = schemata(spec)
        // The class of everybody has the top for its directory.
        let isTop = spec.closID == "/"
        let directory = isTop ? root : root + "/" + (try name(spec.closID ?? id))
        var isMade = false
        if !isTop, mkdir(directory, 0o755) == 0 {
            isMade = true
        } else if !isTop, errno != EEXIST {
            throw failed("closID", .last("mkdir", directory))
        }
        do throws(SystemError) {
            if isMade {
                guard spec.closID == nil || !lines.isEmpty else {
                    throw SystemError(
                        "set", "linux.intelRdt.closID", errno: ENOENT,
                        hint: "there is no \(directory), and no schema to make it with")
                }
                try write(lines, directory)
            } else {
                try compare(lines, directory)
            }
            let monitor =
                spec.enableMonitoring ? try makeMonitor(id, directory) : nil
            return ResctrlGroup(
                directory: directory, isOwn: isMade && spec.closID == nil, monitor: monitor)
        } catch {
            if isMade { rmdir(directory) }
            throw error
        }
    }

    public func admit(_ pid: Int32) throws(SystemError) {
        // A process that changes its class leaves the groups that count.
        for place in [directory] + (monitor.map { [$0] } ?? []) {
            do throws(SystemError) {
                try CgroupFile.write(place + "/tasks", "\(pid)")
            } catch {
                throw Self.failed("closID", error)
            }
        }
    }

    /// Changes the class's share.
    public func update(_ spec: IntelRdtSpec) throws(SystemError) {
        try Self.write(Self.schemata(spec), directory)
    }

    /// A class that the document named stays for others. What is gone already is no error.
    public func remove() throws(SystemError) {
        for place in (monitor.map { [$0] } ?? []) + (isOwn ? [directory] : [])
        where rmdir(place) < 0 && errno != ENOENT {
            throw SystemError.last("rmdir", place)
        }
    }

    // MARK: State file

    public var record: [String: String] {
        var record = ["directory": directory, "own": isOwn ? "1" : "0"]
        record["monitor"] = monitor
        return record
    }

    /// Nil where something else wrote it.
    public init?(record: [String: String]) {
        guard let directory = record["directory"], directory.hasPrefix(Self.root) else {
            return nil
        }
        self.init(
            directory: directory, isOwn: record["own"] == "1", monitor: record["monitor"])
    }

    init(directory: String, isOwn: Bool, monitor: String?) {
        (self.directory, self.isOwn, self.monitor) = (directory, isOwn, monitor)
    }
}

extension ResctrlGroup {
    private static func name(_ text: String) throws(SystemError) -> String {
        let isPlain =
            !["", ".", "..", "info", "mon_data", "mon_groups"].contains(text)
            && text.utf8.allSatisfy { $0 > 0x20 && $0 != UInt8(ascii: "/") && $0 != 0x7f }
        guard isPlain else {
            throw SystemError(
                "set", "linux.intelRdt.closID", errno: EINVAL, hint: "\(text) names no class")
        }
        return text
    }

    /// Lines of the file, in the document's order; `memBwSchema` speaks for bandwidth where both do, `schemata` comes last.
    static func schemata(_ spec: IntelRdtSpec) -> [String] {
        func lines(_ text: String?) -> [String] {
            (text ?? "").split(separator: "\n").map(String.init)
        }
        let bandwidth = lines(spec.memBwSchema)
        let cache = lines(spec.l3CacheSchema).filter {
            bandwidth.isEmpty || !$0.hasPrefix("MB:")
        }
        return cache + bandwidth + spec.schemata.flatMap { lines($0) }
    }

    private static func write(_ lines: [String], _ directory: String) throws(SystemError) {
        guard !lines.isEmpty else { return }
        do throws(SystemError) {
            try CgroupFile.write(
                directory + "/schemata", lines.map { $0 + "\n" }.joined())
        } catch {
            throw failed("schemata", error)
        }
    }

    private static func compare(_ lines: [String], _ directory: String) throws(SystemError) {
        let present = shares(CgroupFile.text(directory + "/schemata").split(separator: "\n"))
        for (name, value) in shares(lines.map { $0[...] }) where present[name] != value {
            throw SystemError(
                "set", "linux.intelRdt.schemata", errno: EINVAL,
                hint: "\(directory) has \(name)=\(present[name] ?? "") and not \(value)")
        }
    }

    /// `L3:0=07f;1=1f` → [`L3:0`: `7f`, `L3:1`: `1f`], which the kernel pads.
    private static func shares(_ lines: [Substring]) -> [String: String] {
        var shares: [String: String] = [:]
        for line in lines {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { continue }
            let resource = parts[0].drop { $0 == " " }
            for share in parts[1].split(separator: ";") {
                let pair = share.split(separator: "=")
                guard pair.count == 2 else { continue }
                let digits = pair[1].drop { $0 == "0" || $0 == " " }
                shares["\(resource):\(pair[0])"] = digits.isEmpty ? "0" : digits.lowercased()
            }
        }
        return shares
    }

    private static func makeMonitor(_ id: String, _ directory: String) throws(SystemError)
        -> String
    {
        let monitor = directory + "/mon_groups/" + (try name(id))
        guard mkdir(monitor, 0o755) == 0 || errno == EEXIST else {
            throw failed("enableMonitoring", .last("mkdir", monitor))
        }
        return monitor
    }

    /// The kernel's own words on what it has just refused are in a file.
    private static func failed(_ field: String, _ error: SystemError) -> SystemError {
        let said = CgroupFile.text(root + "/info/last_cmd_status").split(separator: "\n").first
        return SystemError(
            "set", "linux.intelRdt." + field, errno: error.errno,
            hint: said.map { "the kernel said: \($0)" } ?? "\(error)")
    }
}

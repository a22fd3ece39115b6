internal import Glibc
internal import LinuxSystem
internal import OCIRuntimeSpec

/// Limits as properties of a unit (systemd.resource-control(5)), beside the same limits in the cgroup's files: systemd writes
/// its own view of a unit again whenever it is reloaded. What it has no property for it leaves alone, the scope being
/// delegated. It has no say in devices: its own program would shut out what a container was given.
enum SystemdProperties {
    static func limits(_ resources: ResourcesSpec) throws(SystemError) -> [(
        name: String, value: DBusValue
    )] {
        var all: [(name: String, value: DBusValue)] = []
        func add(_ name: String, _ value: Int64?) {
            guard let value, value != 0 else { return }
            all.append((name, .uint64(value < 0 ? .max : UInt64(value))))
        }
        let (memory, cpu) = (resources.memory, resources.cpu)
        add("MemoryMax", memory.limit)
        add("MemoryLow", memory.reservation)
        if let limit = memory.limit, let swap = memory.swap, swap != 0 {
            add("MemorySwapMax", swap < 0 ? -1 : nil)
            if swap >= limit, swap > 0, limit > 0 {
                all.append(("MemorySwapMax", .uint64(UInt64(swap - limit))))
            }
        }
        if let limit = resources.pidsLimit {
            all.append(("TasksMax", .uint64(limit > 0 ? UInt64(limit) : .max)))
        }
        if let shares = cpu.shares, shares != 0 {
            all.append(("CPUWeight", .uint64(ResourceWrites.weight(shares: shares))))
        }
        all += quota(cpu)
        all += unified(resources.unified)
        for (name, field, list) in [
            ("AllowedCPUs", "cpu.cpus", cpu.cpus), ("AllowedMemoryNodes", "cpu.mems", cpu.mems),
        ] {
            guard let list, !list.isEmpty else { continue }
            all.append((name, .bytes(try mask(list, field))))
        }
        return all
    }

    /// Files that systemd would set to its defaults with the others of their controller.
    private static func unified(_ files: [String: String]) -> [(name: String, value: DBusValue)] {
        [
            ("memory.min", "MemoryMin"), ("memory.low", "MemoryLow"),
            ("memory.high", "MemoryHigh"), ("memory.max", "MemoryMax"),
            ("memory.swap.max", "MemorySwapMax"), ("pids.max", "TasksMax"),
            ("cpu.weight", "CPUWeight"),
        ].compactMap { file, name in
            guard let text = files[file] else { return nil }
            guard text != "max" else { return (name, .uint64(.max)) }
            // What is no number the kernel judges, as it is written there.
            return UInt64(text).map { (name, .uint64($0)) }
        }
    }

    /// CPU time a second of wall time, in microseconds; systemd keeps no finer steps than 10 ms.
    private static func quota(_ cpu: CPUSpec) -> [(name: String, value: DBusValue)] {
        guard let quota = cpu.quota, quota != 0 else { return [] }
        guard quota > 0 else { return [("CPUQuotaPerSecUSec", .uint64(.max))] }
        let period = cpu.period.flatMap { $0 == 0 ? nil : $0 } ?? 100_000
        let exact = UInt64(clamping: quota).multipliedReportingOverflow(by: 1_000_000)
        let perSecond = exact.overflow ? .max : exact.partialValue / period
        let rounded = perSecond > .max - 10_000 ? .max : (perSecond + 9999) / 10_000 * 10_000
        return [
            ("CPUQuotaPerSecUSec", .uint64(rounded)), ("CPUQuotaPeriodUSec", .uint64(period)),
        ]
    }

    /// `0-2,8` → bytes, the lowest CPU in the lowest bit of the first.
    static func mask(_ list: String, _ field: String) throws(SystemError) -> [UInt8] {
        var bytes: [UInt8] = []
        for range in list.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = range.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
            guard (1...2).contains(ends.count), let first = ends[0],
                let last = ends[ends.count - 1],
                0 <= first, first <= last, last < 1 << 16
            else { throw ResourceWrites.invalid(field, "it is no list such as 0-3,8") }
            for number in first...last {
                while bytes.count <= number / 8 { bytes.append(0) }
                bytes[number / 8] |= 1 << UInt8(number % 8)
            }
        }
        return bytes
    }
}

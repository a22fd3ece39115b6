internal import Glibc
internal import LinuxSystem

extension ContainerCgroup {
    /// Reads the counters of every controller that the container has.
    public func statistics() -> CgroupStatistics {
        var all = CgroupStatistics()
        all.cpu = directories["cpu"] != nil || directories["cpuacct"] != nil ? cpuV1() : cpuV2()
        if let directory = directories["memory"] {
            all.memory = Self.memoryV1(directory + "/memory.")
        } else if let unified {
            all.memory = Self.memoryV2(unified + "/memory.")
        }
        if let home = home(of: "pids") {
            all.pids = (
                CgroupFile.number(home.directory + "/pids.current") ?? 0,
                CgroupFile.number(home.directory + "/pids.max") ?? 0
            )
        }
        if let directory = directories["blkio"] {
            let prefix = directory + "/blkio.throttle."
            all.serviceBytes = Self.blockIOV1(prefix + "io_service_bytes_recursive")
            all.serviced = Self.blockIOV1(prefix + "io_serviced_recursive")
        } else if let unified {
            (all.serviceBytes, all.serviced) = Self.blockIOV2(unified + "/io.stat")
        }
        if let home = home(of: "hugetlb") { all.hugepages = Self.hugepages(home) }
        if let home = home(of: "cpuset") {
            let kind = home.isUnified ? ("cpus.effective", "mems.effective") : ("cpus", "mems")
            all.cpus = Self.list(home.directory + "/cpuset." + kind.0)
            all.mems = Self.list(home.directory + "/cpuset." + kind.1)
        }
        return all
    }

    // MARK: CPU

    /// cgroup-v1/cpuacct.rst, sched-bwc.rst: nanoseconds, and ticks for user and kernel.
    private func cpuV1() -> CgroupStatistics.CPU {
        var cpu = CgroupStatistics.CPU()
        if let directory = directories["cpuacct"] {
            cpu.total = CgroupFile.number(directory + "/cpuacct.usage") ?? 0
            let ticks = CgroupFile.table(directory + "/cpuacct.stat")
            let tick = 1_000_000_000 / UInt64(max(1, sysconf(Int32(_SC_CLK_TCK))))
            cpu.user = (ticks["user"] ?? 0) * tick
            cpu.kernel = (ticks["system"] ?? 0) * tick
            cpu.perCPU = CgroupFile.words(directory + "/cpuacct.usage_percpu")
                .compactMap { UInt64($0) }
        }
        if let directory = directories["cpu"] {
            let table = CgroupFile.table(directory + "/cpu.stat")
            cpu.periods = table["nr_periods"] ?? 0
            cpu.throttledPeriods = table["nr_throttled"] ?? 0
            cpu.throttledTime = table["throttled_time"] ?? 0
        }
        return cpu
    }

    /// cgroup-v2.rst, cpu.stat: microseconds.
    private func cpuV2() -> CgroupStatistics.CPU {
        let table = unified.map { CgroupFile.table($0 + "/cpu.stat") } ?? [:]
        var cpu = CgroupStatistics.CPU()
        cpu.total = (table["usage_usec"] ?? 0) * 1000
        cpu.user = (table["user_usec"] ?? 0) * 1000
        cpu.kernel = (table["system_usec"] ?? 0) * 1000
        cpu.periods = table["nr_periods"] ?? 0
        cpu.throttledPeriods = table["nr_throttled"] ?? 0
        cpu.throttledTime = (table["throttled_usec"] ?? 0) * 1000
        return cpu
    }

    // MARK: Memory

    private static func memoryV1(_ prefix: String) -> CgroupStatistics.Memory {
        func counter(_ name: String) -> CgroupStatistics.Counter {
            func number(_ file: String) -> UInt64 { CgroupFile.number(prefix + name + file) ?? 0 }
            return .init(
                usage: number("usage_in_bytes"), max: number("max_usage_in_bytes"),
                limit: number("limit_in_bytes"), failures: number("failcnt"))
        }
        var memory = CgroupStatistics.Memory()
        memory.raw = CgroupFile.table(prefix + "stat")
        memory.cache = memory.raw["cache"] ?? 0
        memory.usage = counter("")
        memory.swap = counter("memsw.")
        memory.kernel = counter("kmem.")
        memory.kernelTCP = counter("kmem.tcp.")
        return memory
    }

    /// Swap stands apart there, and is added to memory, since that is what the field means on v1.
    private static func memoryV2(_ prefix: String) -> CgroupStatistics.Memory {
        func number(_ file: String) -> UInt64 { CgroupFile.number(prefix + file) ?? 0 }
        func limit(_ file: String) -> UInt64 {
            Files.exists(prefix + file) ? CgroupFile.number(prefix + file) ?? .max : 0
        }
        var memory = CgroupStatistics.Memory()
        memory.raw = CgroupFile.table(prefix + "stat")
        memory.cache = memory.raw["file"] ?? 0
        memory.usage = .init(
            usage: number("current"), max: number("peak"), limit: limit("max"),
            failures: CgroupFile.table(prefix + "events")["max"] ?? 0)
        let swap = limit("swap.max")
        let both = memory.usage.limit.addingReportingOverflow(swap)
        memory.swap = .init(
            usage: memory.usage.usage + number("swap.current"),
            limit: both.overflow ? .max : both.partialValue,
            failures: CgroupFile.table(prefix + "swap.events")["max"] ?? 0)
        return memory
    }

    // MARK: The others

    /// `8:0 Read 4096`; a last line has the total.
    private static func blockIOV1(_ path: String) -> [CgroupStatistics.BlockIO] {
        CgroupFile.text(path).split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ")
            guard fields.count == 3, let value = UInt64(fields[2]) else { return nil }
            return blockIO(fields[0], String(fields[1]), value)
        }
    }

    /// `8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0`
    private static func blockIOV2(_ path: String) -> (
        bytes: [CgroupStatistics.BlockIO], operations: [CgroupStatistics.BlockIO]
    ) {
        var all: ([CgroupStatistics.BlockIO], [CgroupStatistics.BlockIO]) = ([], [])
        let names: [Substring: (String, isBytes: Bool)] = [
            "rbytes": ("Read", true), "wbytes": ("Write", true), "dbytes": ("Discard", true),
            "rios": ("Read", false), "wios": ("Write", false), "dios": ("Discard", false),
        ]
        for line in CgroupFile.text(path).split(separator: "\n") {
            let fields = line.split(separator: " ")
            for field in fields.dropFirst() {
                let pair = field.split(separator: "=")
                guard pair.count == 2, let (name, isBytes) = names[pair[0]],
                    let value = UInt64(pair[1]),
                    let entry = blockIO(fields[0], name, value)
                else { continue }
                if isBytes { all.0.append(entry) } else { all.1.append(entry) }
            }
        }
        return all
    }

    private static func blockIO(_ device: Substring, _ operation: String, _ value: UInt64)
        -> CgroupStatistics.BlockIO?
    {
        let numbers = device.split(separator: ":").compactMap { UInt64($0) }
        guard numbers.count == 2 else { return nil }
        return .init(major: numbers[0], minor: numbers[1], operation: operation, value: value)
    }

    private static func hugepages(_ home: (directory: String, isUnified: Bool)) -> [String:
        CgroupStatistics.Counter]
    {
        let (usage, limit) =
            home.isUnified ? (".current", ".max") : (".usage_in_bytes", ".limit_in_bytes")
        var all: [String: CgroupStatistics.Counter] = [:]
        for file in (try? Files.names(in: home.directory)) ?? [] {
            let words = file.split(separator: ".", maxSplits: 2)
            guard words.count == 3, words[0] == "hugetlb", "." + words[2] == usage else { continue }
            let prefix = home.directory + "/hugetlb." + words[1]
            all[String(words[1])] = .init(
                usage: CgroupFile.number(prefix + usage) ?? 0,
                max: CgroupFile.number(prefix + ".max_usage_in_bytes") ?? 0,
                limit: CgroupFile.number(prefix + limit) ?? .max,
                failures: home.isUnified
                    ? CgroupFile.table(prefix + ".events")["max"] ?? 0
                    : CgroupFile.number(prefix + ".failcnt") ?? 0)
        }
        return all
    }

    /// cpuset(7), "List format": `0-2,8`.
    private static func list(_ path: String) -> [UInt64] {
        (CgroupFile.words(path).first ?? "").split(separator: ",").flatMap { range in
            let ends = range.split(separator: "-").compactMap { UInt64($0) }
            guard let first = ends.first, let last = ends.last, first <= last else {
                return [UInt64]()
            }
            return Array(first...last)
        }
    }
}

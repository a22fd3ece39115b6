internal import OCIRuntimeSpec

/// The lines of `events`, with the names that runc gave them and others read.
extension CgroupStatistics {
    /// One line, without its end.
    public func event(id: String) -> String {
        Self.line([("type", .string("stats")), ("id", .string(id)), ("data", data)])
    }

    /// The kernel has killed for lack of memory.
    public static func outOfMemoryEvent(id: String) -> String {
        line([("type", .string("oom")), ("id", .string(id))])
    }

    private static func line(_ members: [(String, JSONValue)]) -> String {
        String(decoding: object(members).text(indented: false).dropLast(), as: UTF8.self)
    }

    private var data: JSONValue {
        Self.object([
            ("cpu", Self.object([("usage", usage), ("throttling", throttling)])),
            (
                "cpuset",
                Self.object([
                    ("cpus", .list(cpus.map { .unsigned($0) })),
                    ("mems", .list(mems.map { .unsigned($0) })),
                ])
            ),
            (
                "memory",
                Self.object([
                    ("cache", .unsigned(memory.cache)), ("usage", Self.json(memory.usage)),
                    ("swap", Self.json(memory.swap)), ("kernel", Self.json(memory.kernel)),
                    ("kernelTCP", Self.json(memory.kernelTCP)),
                    ("raw", Self.json(memory.raw) { .unsigned($0) }),
                ])
            ),
            ("pids", Self.numbers([("current", pids.current), ("limit", pids.limit)])),
            (
                "blkio",
                Self.object([
                    ("ioServiceBytesRecursive", .list(serviceBytes.map(Self.json))),
                    ("ioServicedRecursive", .list(serviced.map(Self.json))),
                ])
            ),
            ("hugetlb", Self.json(hugepages, Self.json)),
            // Read by nobody, and there in runc's lines.
            ("intel_rdt", Self.object([])), ("network_interfaces", .list([])),
        ])
    }

    private var usage: JSONValue {
        Self.object([
            ("total", .unsigned(cpu.total)),
            ("percpu", .list(cpu.perCPU.map { .unsigned($0) })),
            ("kernel", .unsigned(cpu.kernel)), ("user", .unsigned(cpu.user)),
        ])
    }

    private var throttling: JSONValue {
        Self.numbers([
            ("periods", cpu.periods), ("throttledPeriods", cpu.throttledPeriods),
            ("throttledTime", cpu.throttledTime),
        ])
    }

    private static func json(_ counter: Counter) -> JSONValue {
        numbers([
            ("limit", counter.limit), ("usage", counter.usage), ("max", counter.max),
            ("failcnt", counter.failures),
        ])
    }

    private static func json(_ line: BlockIO) -> JSONValue {
        object([
            ("major", .unsigned(line.major)), ("minor", .unsigned(line.minor)),
            ("op", .string(line.operation)), ("value", .unsigned(line.value)),
        ])
    }

    /// In the order of names, so that the same numbers are the same text.
    private static func json<Value>(_ map: [String: Value], _ write: (Value) -> JSONValue)
        -> JSONValue
    {
        object(map.sorted { $0.key < $1.key }.map { ($0.key, write($0.value)) })
    }

    private static func numbers(_ members: [(String, UInt64)]) -> JSONValue {
        object(members.map { ($0, .unsigned($1)) })
    }

    private static func object(_ members: [(String, JSONValue)]) -> JSONValue {
        var object = JSONObject()
        for (name, value) in members { object.set(name, value) }
        return .object(object)
    }
}

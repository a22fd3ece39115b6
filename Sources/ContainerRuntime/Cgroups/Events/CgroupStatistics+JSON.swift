/// The lines of `events`, with the names that runc gave them and others read.
extension CgroupStatistics {
    /// One line, without its end.
    public func event(id: String) -> String {
        JSONText.object([
            ("type", .string("stats")), ("id", .string(id)), ("data", data),
        ]).text
    }

    /// The kernel has killed for lack of memory.
    public static func outOfMemoryEvent(id: String) -> String {
        JSONText.object([("type", .string("oom")), ("id", .string(id))]).text
    }

    private var data: JSONText {
        .object([
            (
                "cpu",
                .object([
                    (
                        "usage",
                        .object([
                            ("total", .number(cpu.total)),
                            ("percpu", .list(cpu.perCPU.map { .number($0) })),
                            ("kernel", .number(cpu.kernel)), ("user", .number(cpu.user)),
                        ])
                    ),
                    (
                        "throttling",
                        .object([
                            ("periods", .number(cpu.periods)),
                            ("throttledPeriods", .number(cpu.throttledPeriods)),
                            ("throttledTime", .number(cpu.throttledTime)),
                        ])
                    ),
                ])
            ),
            (
                "cpuset",
                .object([
                    ("cpus", .list(cpus.map { .number($0) })),
                    ("mems", .list(mems.map { .number($0) })),
                ])
            ),
            (
                "memory",
                .object([
                    ("cache", .number(memory.cache)), ("usage", Self.json(memory.usage)),
                    ("swap", Self.json(memory.swap)), ("kernel", Self.json(memory.kernel)),
                    ("kernelTCP", Self.json(memory.kernelTCP)),
                    ("raw", Self.json(memory.raw) { .number($0) }),
                ])
            ),
            (
                "pids",
                .object([
                    ("current", .number(pids.current)), ("limit", .number(pids.limit)),
                ])
            ),
            (
                "blkio",
                .object([
                    ("ioServiceBytesRecursive", .list(serviceBytes.map(Self.json))),
                    ("ioServicedRecursive", .list(serviced.map(Self.json))),
                ])
            ),
            ("hugetlb", Self.json(hugepages, Self.json)),
            // Read by nobody, and there in runc's lines.
            ("intel_rdt", .object([])), ("network_interfaces", .list([])),
        ])
    }

    private static func json(_ counter: Counter) -> JSONText {
        .object([
            ("limit", .number(counter.limit)), ("usage", .number(counter.usage)),
            ("max", .number(counter.max)), ("failcnt", .number(counter.failures)),
        ])
    }

    private static func json(_ line: BlockIO) -> JSONText {
        .object([
            ("major", .number(line.major)), ("minor", .number(line.minor)),
            ("op", .string(line.operation)), ("value", .number(line.value)),
        ])
    }

    /// In the order of names, so that the same numbers are the same text.
    private static func json<Value>(_ map: [String: Value], _ write: (Value) -> JSONText)
        -> JSONText
    {
        .object(map.sorted { $0.key < $1.key }.map { ($0.key, write($0.value)) })
    }
}

/// JSON to be written on one line.
private enum JSONText {
    case number(UInt64)
    case string(String)
    case list([JSONText])
    case object([(String, JSONText)])

    var text: String {
        switch self {
        case .number(let number): "\(number)"
        case .string(let string): Self.quoted(string)
        case .list(let items): "[" + items.map(\.text).joined(separator: ",") + "]"
        case .object(let members):
            "{" + members.map { Self.quoted($0) + ":" + $1.text }.joined(separator: ",") + "}"
        }
    }

    /// RFC 8259, 7.
    private static func quoted(_ string: String) -> String {
        var text = "\""
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"", "\\": text += "\\\(scalar)"
            case _ where scalar.value < 0x20:
                text += "\\u" + (scalar.value < 0x10 ? "000" : "00")
                text += String(scalar.value, radix: 16)
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text + "\""
    }
}

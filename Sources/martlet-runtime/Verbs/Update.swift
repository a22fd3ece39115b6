import ContainerRuntime
import Glibc
import LinuxSystem
import OCIRuntimeSpec

/// Changes the limits of a container that is there: those of a document, and flags over it.
enum Update: Verb {
    static let name = "update"
    static let grammar = Arguments.Grammar(
        values: [
            "resources", "memory", "memory-reservation", "memory-swap", "cpu-period", "cpu-quota",
            "cpu-burst", "cpu-idle", "cpu-share", "cpu-shares", "cpu-rt-period", "cpu-rt-runtime",
            "cpuset-cpus", "cpuset-mems", "pids-limit", "blkio-weight", "l3-cache-schema",
            "mem-bw-schema",
        ], letters: ["r": "resources"], words: "ID")

    static func run(_ arguments: Arguments, _ globals: Globals, _ log: inout RuntimeLog) throws
        -> Int32
    {
        let home = try globals.home(try arguments.id())
        var resources = ResourcesSpec()
        if let path = arguments["resources"] {
            let text = try path == "-" ? Files.read(0, "stdin") : Files.read(path)
            resources = try ResourcesSpec(json: text, name: path == "-" ? "stdin" : path)
        }
        try read(arguments, into: &resources)
        let notes = try ContainerUpdate.apply(
            resources, l3CacheSchema: arguments["l3-cache-schema"],
            memBwSchema: arguments["mem-bw-schema"], to: home)
        for line in notes { log.warning(line) }
        return 0
    }

    private static func read(_ arguments: Arguments, into resources: inout ResourcesSpec)
        throws(Usage)
    {
        if let limit = try bytes(arguments, "memory") { resources.memory.limit = limit }
        if let reservation = try bytes(arguments, "memory-reservation") {
            resources.memory.reservation = reservation
        }
        if let swap = try bytes(arguments, "memory-swap") { resources.memory.swap = swap }
        if let period: UInt64 = try arguments.number("cpu-period") { resources.cpu.period = period }
        if let quota: Int64 = try arguments.number("cpu-quota") { resources.cpu.quota = quota }
        if let burst: UInt64 = try arguments.number("cpu-burst") { resources.cpu.burst = burst }
        if let idle: Int64 = try arguments.number("cpu-idle") { resources.cpu.idle = idle }
        for name in ["cpu-share", "cpu-shares"] {
            if let shares: UInt64 = try arguments.number(name) { resources.cpu.shares = shares }
        }
        if let period: UInt64 = try arguments.number("cpu-rt-period") {
            resources.cpu.realtimePeriod = period
        }
        if let runtime: Int64 = try arguments.number("cpu-rt-runtime") {
            resources.cpu.realtimeRuntime = runtime
        }
        if let cpus = arguments["cpuset-cpus"] { resources.cpu.cpus = cpus }
        if let mems = arguments["cpuset-mems"] { resources.cpu.mems = mems }
        if let limit: Int64 = try arguments.number("pids-limit") { resources.pidsLimit = limit }
        if let weight: UInt16 = try arguments.number("blkio-weight") {
            var blockIO = resources.blockIO ?? BlockIOSpec()
            blockIO.weight = weight
            resources.blockIO = blockIO
        }
    }

    /// Bytes, with k, m, g or t for powers of 1024; -1 lifts a limit.
    private static func bytes(_ arguments: Arguments, _ name: String) throws(Usage) -> Int64? {
        guard let text = arguments[name] else { return nil }
        let lower = text.lowercased()
        let digits = lower.prefix { $0.isNumber || $0 == "-" }
        let shifts: [String: Int64] = [
            "": 0, "b": 0, "k": 10, "kb": 10, "m": 20, "mb": 20, "g": 30, "gb": 30, "t": 40,
        ]
        guard let number = Int64(digits), let shift = shifts[String(lower.dropFirst(digits.count))]
        else { throw Usage("--\(name): \(text) is no number of bytes") }
        let (product, overflow) = number.multipliedReportingOverflow(by: 1 << shift)
        guard !overflow, product >= -1 else { throw Usage("--\(name): \(text) is out of range") }
        return product
    }
}

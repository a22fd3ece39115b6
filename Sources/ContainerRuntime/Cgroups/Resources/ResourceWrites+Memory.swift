internal import Glibc
internal import LinuxSystem
internal import OCIRuntimeSpec

extension ResourceWrites {
    /// cgroup-v1/memory.rst. The limit never exceeds that of memory and swap together, so one of them waits for the other.
    mutating func memoryV1(_ memory: MemorySpec) {
        func add(_ value: Int64?, _ file: String, _ field: String) {
            guard let value, value != 0 else { return }
            self.add("memory", file, "\(value)", "memory." + field, isOptional: value < 0)
        }
        if let hierarchical = memory.useHierarchy {
            self.add(
                "memory", "memory.use_hierarchy", hierarchical ? "1" : "0", "memory.useHierarchy")
        }
        add(memory.limit, "memory.limit_in_bytes", "limit")
        if memory.swap == nil, memory.limit == -1 {
            // Without a limit on memory, one on both is none on memory.
            self.add(
                "memory", "memory.memsw.limit_in_bytes", "-1", "memory.limit", isOptional: true)
        }
        add(memory.swap, "memory.memsw.limit_in_bytes", "swap")
        add(memory.reservation, "memory.soft_limit_in_bytes", "reservation")
        if let swappiness = memory.swappiness {
            self.add("memory", "memory.swappiness", "\(swappiness)", "memory.swappiness")
        }
        if let isDisabled = memory.disableOOMKiller {
            self.add(
                "memory", "memory.oom_control", isDisabled ? "1" : "0", "memory.disableOOMKiller",
                isOptional: !isDisabled)
        }
    }

    /// cgroup-v2.rst, "Memory Interface Files"; swap is counted apart.
    mutating func memoryV2(_ memory: MemorySpec) throws(SystemError) {
        if memory.swappiness != nil { throw Self.unsupported("memory.swappiness") }
        if memory.disableOOMKiller == true { throw Self.unsupported("memory.disableOOMKiller") }
        // v2 is always hierarchical.
        if memory.useHierarchy == false { throw Self.unsupported("memory.useHierarchy") }
        if let limit = memory.limit, limit != 0 {
            add(
                "memory", "memory.max", Self.limit(limit), "memory.limit", isOptional: limit < 0)
        }
        if let swap = try Self.swapAlone(memory) {
            // A kernel without accounting of swap lacks the file, and all or nothing it can do even so.
            add(
                "memory", "memory.swap.max", swap, "memory.swap",
                isOptional: swap == "max" || swap == "0")
        }
        if let reservation = memory.reservation, reservation != 0 {
            add("memory", "memory.low", Self.limit(reservation), "memory.reservation")
        }
    }

    private static func limit(_ bytes: Int64) -> String { bytes < 0 ? "max" : "\(bytes)" }

    /// `swap` counts memory and swap together, and means nothing without a limit on memory (config-linux.md, "Memory").
    private static func swapAlone(_ memory: MemorySpec) throws(SystemError) -> String? {
        let (limit, swap) = (memory.limit ?? 0, memory.swap ?? 0)
        if swap < 0 || (swap == 0 && limit < 0) { return "max" }
        guard swap > 0 else { return nil }
        guard limit > 0 else { throw invalid("memory.swap", "it needs memory.limit beside it") }
        guard swap >= limit else {
            throw invalid("memory.swap", "it counts memory, too, and is less than memory.limit")
        }
        return "\(swap - limit)"
    }
}

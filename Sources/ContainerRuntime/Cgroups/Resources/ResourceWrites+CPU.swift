internal import Glibc
internal import LinuxSystem
internal import OCIRuntimeSpec

extension ResourceWrites {
    /// scheduler/sched-design-CFS.rst, sched-bwc.rst, sched-rt-group.rst.
    mutating func cpuV1(_ cpu: CPUSpec) {
        func add<T: BinaryInteger>(_ value: T?, _ file: String, _ field: String) {
            guard let value, value != 0 else { return }
            self.add("cpu", file, "\(value)", "cpu." + field, isOptional: value < 0)
        }
        add(cpu.shares, "cpu.shares", "shares")
        add(cpu.realtimePeriod, "cpu.rt_period_us", "realtimePeriod")
        add(cpu.realtimeRuntime, "cpu.rt_runtime_us", "realtimeRuntime")
        add(cpu.period, "cpu.cfs_period_us", "period")
        add(cpu.quota, "cpu.cfs_quota_us", "quota")
        if let burst = cpu.burst { self.add("cpu", "cpu.cfs_burst_us", "\(burst)", "cpu.burst") }
        if let idle = cpu.idle { self.add("cpu", "cpu.idle", "\(idle)", "cpu.idle") }
    }

    /// cgroup-v2.rst, "CPU Interface Files".
    mutating func cpuV2(_ cpu: CPUSpec) throws(SystemError) {
        if let runtime = cpu.realtimeRuntime, runtime != 0 {
            throw Self.unsupported("cpu.realtimeRuntime")
        }
        if let period = cpu.realtimePeriod, period != 0 {
            throw Self.unsupported("cpu.realtimePeriod")
        }
        if let shares = cpu.shares, shares != 0 {
            add("cpu", "cpu.weight", "\(Self.weight(shares: shares))", "cpu.shares")
        }
        let (quota, period) = (cpu.quota ?? 0, cpu.period ?? 0)
        if quota != 0 || period != 0 {
            let limit = quota == 0 ? facts.quota : quota > 0 ? "\(quota)" : "max"
            add(
                "cpu", "cpu.max", period == 0 ? limit : "\(limit) \(period)",
                quota != 0 ? "cpu.quota" : "cpu.period", isOptional: limit == "max")
        }
        if let burst = cpu.burst { add("cpu", "cpu.max.burst", "\(burst)", "cpu.burst") }
        if let idle = cpu.idle { add("cpu", "cpu.idle", "\(idle)", "cpu.idle") }
    }

    /// The curve through least, default and most of both scales: 2 → 1, 1024 → 100, 262144 → 10000 (crun(1), "CPU controller";
    /// Kubernetes enhancement 2254).
    static func weight(shares: UInt64) -> UInt64 {
        if shares <= 2 { return 1 }
        if shares >= 262_144 { return 10_000 }
        let l = log2(Double(shares))
        return UInt64(pow(10, (l * l + 125 * l) / 612 - 7.0 / 34).rounded(.up))
    }
}

internal import JobModel

// CPUs, cores and packages: /sys/devices/system/cpu, Documentation/admin-guide/cputopology.rst.
extension NodeTopology {
    static let cpuFolder = "/sys/devices/system/cpu"

    mutating func readCPUs(_ system: borrowing SystemRoot) {
        cpus.online = Self.onlineCPUs(system)
        let online = Set(cpus.online)
        cpus.offline =
            (system.cpus(Self.cpuFolder + "/present")
            ?? system.numbers(in: Self.cpuFolder, after: "cpu")).filter { !online.contains($0) }
        cpus.isolated = system.cpus(Self.cpuFolder + "/isolated") ?? []
        var placed: Set<Int> = []
        for cpu in cpus.online where !placed.contains(cpu) {
            let core = Self.core(of: cpu, online, system)
            placed.formUnion(core.cpus)
            cores.append(core)
        }
        packages = Dictionary(grouping: cores, by: \.package).sorted { $0.key < $1.key }.map {
            Package(id: $0.key, cpus: $0.value.flatMap(\.cpus).sorted())
        }
    }

    private static func onlineCPUs(_ system: borrowing SystemRoot) -> [Int] {
        if let list = system.cpus(cpuFolder + "/online") { return list }
        // Linux before 2.6.26. Not every CPU can go offline, and then it has no such file.
        var online: [Int] = []
        for cpu in system.numbers(in: cpuFolder, after: "cpu")
        where system.number(cpuFolder + "/cpu\(cpu)/online") != 0 {
            online.append(cpu)
        }
        if !online.isEmpty { return online }
        let lines = system.text("/proc/cpuinfo")?.split(separator: "\n") ?? []
        return lines.filter { $0.hasPrefix("processor") }.compactMap {
            $0.split(separator: " ").last.flatMap { Int($0) }
        }
    }

    private static func core(of cpu: Int, _ online: Set<Int>, _ system: borrowing SystemRoot)
        -> Core
    {
        let folder = cpuFolder + "/cpu\(cpu)/topology/"
        // The former name is the newer one's.
        let threads =
            system.cpus(folder + "core_cpus_list")
            ?? system.cpus(folder + "thread_siblings_list", mask: folder + "thread_siblings") ?? []
        let own = threads.filter(online.contains)
        /// -1 is what the kernel says where the firmware does not.
        func id(_ name: String) -> Int? {
            system.number(folder + name).flatMap { $0 < 0 ? nil : $0 }
        }
        return Core(
            id: id("core_id") ?? cpu, package: id("physical_package_id") ?? 0, die: id("die_id"),
            cluster: id("cluster_id"), cpus: own.contains(cpu) ? own : [cpu])
    }

    // MARK: Caches

    mutating func readL3Domains(_ system: borrowing SystemRoot) {
        let online = Set(cpus.online)
        var domain: [Int: Int] = [:]
        for index in cores.indices {
            let cpu = cores[index].cpus[0]
            if domain[cpu] == nil, let found = Self.l3Domain(of: cpu, online, system) {
                for shared in found.cpus { domain[shared] = l3Domains.count }
                l3Domains.append(found)
            }
            cores[index].l3 = domain[cpu]
        }
    }

    private static func l3Domain(of cpu: Int, _ online: Set<Int>, _ system: borrowing SystemRoot)
        -> L3Domain?
    {
        let folder = cpuFolder + "/cpu\(cpu)/cache"
        // It is the last one nearly always.
        for index in system.numbers(in: folder, after: "index").reversed() {
            let cache = folder + "/index\(index)/"
            guard system.number(cache + "level") == 3 else { continue }
            let shared =
                system.cpus(cache + "shared_cpu_list", mask: cache + "shared_cpu_map") ?? []
            let own = shared.filter(online.contains)
            return L3Domain(
                cpus: own.contains(cpu) ? own : [cpu],
                size: system.text(cache + "size").flatMap(size))
        }
        return nil
    }

    /// `30720K`.
    private static func size(_ text: String) -> Int64? {
        guard text.last == "K", let kibibytes = Int64(text.dropLast()) else { return nil }
        return kibibytes * 1024
    }

    // MARK: Kinds of cores

    mutating func readKinds(_ system: borrowing SystemRoot) {
        // Intel's two performance monitoring units, where both are there.
        if let fast = system.cpus("/sys/devices/cpu_core/cpus"),
            let slow = system.cpus("/sys/devices/cpu_atom/cpus"), !fast.isEmpty, !slow.isEmpty
        {
            let slow = Set(slow)
            return setKinds { slow.contains($0.cpus[0]) ? .efficiency : .performance }
        }
        // Arm's relative capacity, else the highest frequency in kHz.
        for name in ["cpu_capacity", "cpufreq/cpuinfo_max_freq"] {
            var speeds: [Int] = []
            for core in cores {
                guard let speed = system.number(Self.cpuFolder + "/cpu\(core.cpus[0])/" + name)
                else { break }
                speeds.append(speed)
            }
            guard speeds.count == cores.count, let slowest = speeds.min(),
                let fastest = speeds.max()
            else { continue }
            // Cores of one kind differ as well, those that may be clocked highest by a tenth from the rest.
            guard slowest * 100 < fastest * 85 else { return }
            let speed = Dictionary(uniqueKeysWithValues: zip(cores.map { $0.cpus[0] }, speeds))
            return setKinds {
                2 * (speed[$0.cpus[0]] ?? 0) > slowest + fastest ? .performance : .efficiency
            }
        }
    }

    private mutating func setKinds(_ kind: (Core) -> NodeInventory.Core.Kind) {
        for index in cores.indices { cores[index].kind = kind(cores[index]) }
    }
}

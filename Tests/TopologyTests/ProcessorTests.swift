import Glibc
import JobModel
import LinuxSystem
import Testing
import Topology

/// Machines that differ in how their cores, caches and memory lie to each other.
@Suite("Processors")
struct ProcessorTests {
    let machine: MachineTree

    init() throws { machine = try MachineTree() }

    /// Each usable CPU is in one core and on one NUMA node.
    private func expectWhole(_ node: NodeTopology, _ inventory: NodeInventory) {
        #expect(inventory.cores.flatMap(\.cpus).sorted() == node.cpus.usable)
        #expect(inventory.numaNodes.flatMap(\.cpus).sorted() == node.cpus.usable)
        #expect(inventory.numaNodes.allSatisfy { $0.memory > 0 })
    }

    @Test("an EPYC of 12 chiplets in four NUMA nodes has as many L3 domains and three in each node")
    func epyc() throws {
        for ccd in 0..<12 {
            let first = ccd * 8
            let shared = Array(first..<first + 8) + Array(first + 96..<first + 104)
            for core in first..<first + 8 {
                try machine.core([core, core + 96], id: core, l3: (shared, 32_768))
            }
        }
        try machine.online("0-191")
        for node in 0..<4 {
            let first = node * 24
            try machine.node(
                node, "\(first)-\(first + 23),\(first + 96)-\(first + 119)", memory: 96,
                distances: (0..<4).map { $0 == node ? 10 : 12 })
        }
        let node = try machine.read()
        #expect(node.packages.map(\.cpus.count) == [192])
        #expect(node.cores.count == 96 && node.cores[0].cpus == [0, 96])
        #expect(node.l3Domains.count == 12 && node.l3Domains[0].size == 32 << 20)
        #expect(node.numaNodes.map(\.cpus.count) == [48, 48, 48, 48])
        #expect(node.cores.allSatisfy { $0.kind == nil })
        let inventory = node.inventory(hostname: "epyc")
        expectWhole(node, inventory)
        #expect(inventory.numaNodes[1].distances == [12, 10, 12, 12])
        let domains = Set(inventory.cores.prefix(24).map(\.l3))
        #expect(domains == [0, 1, 2])
    }

    @Test("two sockets whose threads are numbered in a second round")
    func dualSocket() throws {
        for core in 0..<16 {
            let socket = core / 8
            let shared = (0..<8).flatMap { [socket * 8 + $0, socket * 8 + $0 + 16] }.sorted()
            try machine.core(
                [core, core + 16], id: core % 8, package: socket, l3: (shared, 36_608))
        }
        try machine.online("0-31")
        try machine.node(0, "0-7,16-23", memory: 64, distances: [10, 21])
        try machine.node(1, "8-15,24-31", memory: 64, distances: [21, 10])
        let node = try machine.read()
        #expect(node.packages.map(\.cpus.count) == [16, 16])
        #expect(node.cores[9].cpus == [9, 25] && node.cores[9].package == 1)
        #expect(node.cores[9].numaNode == 1 && node.cores[9].l3 == 1)
        expectWhole(node, node.inventory(hostname: "dual"))
    }

    @Test(
        "fast and slow cores are told apart by their monitoring units, capacity or frequency",
        arguments: ["units", "capacity", "frequency"])
    func hybrid(by means: String) throws {
        for core in 0..<6 {
            try machine.core([2 * core, 2 * core + 1], id: core, l3: (Array(0...19), 24_576))
        }
        for cpu in 12..<20 { try machine.core([cpu], id: cpu, l3: (Array(0...19), 24_576)) }
        try machine.online("0-19")
        if means == "units" {
            try machine.tree.write("sys/devices/cpu_core/cpus", "0-11\n")
            try machine.tree.write("sys/devices/cpu_atom/cpus", "12-19\n")
        }
        for cpu in 0..<20 where means != "units" {
            let file = means == "capacity" ? "cpu_capacity" : "cpufreq/cpuinfo_max_freq"
            let speed = cpu >= 12 ? 700 : cpu < 4 ? 1024 : 980
            try machine.tree.write("sys/devices/system/cpu/cpu\(cpu)/\(file)", "\(speed)\n")
        }
        try machine.tree.write("proc/meminfo", "MemTotal:       33554432 kB\n")
        let node = try machine.read()
        let kinds =
            Array(repeating: NodeInventory.Core.Kind.performance, count: 6)
            + Array(repeating: .efficiency, count: 8)
        #expect(node.cores.map(\.kind) == kinds)
        let inventory = node.inventory(hostname: "laptop")
        expectWhole(node, inventory)
        #expect(inventory.cores.map(\.kind) == kinds)
        #expect(inventory.memory == 32 << 30)
    }

    @Test("a server whose best cores may be clocked higher has one kind of core")
    func favouredCores() throws {
        for cpu in 0..<4 {
            try machine.core([cpu], id: cpu, l3: nil)
            try machine.tree.write(
                "sys/devices/system/cpu/cpu\(cpu)/cpufreq/cpuinfo_max_freq",
                cpu == 0 ? "5700000\n" : "5050000\n")
        }
        try machine.online("0-3")
        try machine.tree.write("proc/meminfo", "MemTotal: 1024 kB\n")
        #expect(try machine.read().cores.allSatisfy { $0.kind == nil })
    }

    @Test("numbers of CPUs, cores, packages and nodes may have holes, as on POWER")
    func sparse() throws {
        // Four threads of eight are online, and one core is off altogether.
        for (first, id, package) in [(0, 8, 0), (8, 16, 0), (88, 2056, 8), (96, 2064, 8)] {
            let threads = Array(first..<first + 4)
            try machine.core(threads, id: id, package: package, l3: (threads, 10_240))
        }
        try machine.online("0-3,8-11,88-91,96-99", present: "0-175")
        try machine.node(0, "0-87", memory: 128, distances: [10, 40])
        try machine.node(8, "88-175", memory: 128, distances: [40, 10])
        try machine.tree.write("sys/devices/system/node/online", "0,8\n")
        let node = try machine.read()
        #expect(node.packages.map(\.id) == [0, 8])
        #expect(
            node.numaNodes.map(\.cpus) == [
                [0, 1, 2, 3, 8, 9, 10, 11], Array(88...91) + Array(96...99),
            ])
        #expect(node.cpus.offline.count == 160)
        let inventory = node.inventory(hostname: "power")
        expectWhole(node, inventory)
        #expect(inventory.numaNodes.map(\.id) == [0, 8])
    }

    @Test("memory without CPUs is shown and given to nobody")
    func memoryOnly() throws {
        for cpu in 0..<4 { try machine.core([cpu], id: cpu, l3: ([0, 1, 2, 3], 8192)) }
        try machine.online("0-3")
        try machine.node(0, "0-3", memory: 32, distances: [10, 14])
        try machine.node(1, "", memory: 256, distances: [14, 10])
        let node = try machine.read()
        #expect(node.numaNodes.map(\.memory) == [32 << 30, 256 << 30])
        let inventory = node.inventory(hostname: "cxl")
        #expect(inventory.numaNodes.map(\.id) == [0] && inventory.memory == 32 << 30)
        #expect(inventory.numaNodes[0].distances == [10])
        expectWhole(node, inventory)
    }

    @Test("CPUs of a node without memory belong to the nearest node that has some")
    func memoryless() throws {
        for cpu in 0..<6 { try machine.core([cpu], id: cpu, l3: nil) }
        try machine.online("0-5")
        try machine.node(0, "0-1", memory: 16, distances: [10, 30, 20])
        try machine.node(1, "2-3", memory: 0, distances: [30, 10, 15])
        try machine.node(2, "4-5", memory: 16, distances: [20, 15, 10])
        let inventory = try machine.read().inventory(hostname: "n")
        #expect(inventory.numaNodes.map(\.cpus) == [[0, 1], [2, 3, 4, 5]])
        // Without an L3 they keep to their node.
        #expect(inventory.cores.map(\.l3) == [0, 0, 1, 1, 2, 2])
    }

    @Test("CPUs that are offline, or isolated where no mask says more, are not offered")
    func offlineAndIsolated() throws {
        for core in 0..<4 {
            try machine.core([core, core + 4], id: core, l3: (Array(0...7), 8192))
        }
        try machine.online("0-6", present: "0-7", isolated: "3")
        try machine.tree.write("proc/meminfo", "MemTotal: 1048576 kB\n")
        let node = try machine.read()
        #expect(node.cpus.offline == [7] && node.cpus.isolated == [3])
        #expect(node.cpus.usable == [0, 1, 2, 4, 5, 6])
        let inventory = node.inventory(hostname: "n")
        #expect(inventory.cores.map(\.cpus) == [[0, 4], [1, 5], [2, 6]])
        // Who put the reader there meant it.
        try machine.tree.write("proc/self/status", "Name:\tx\nCpus_allowed_list:\t3\n")
        #expect(try machine.read().cpus.usable == [3])
    }

    @Test("a folder that is no machine's root is an error that names it")
    func noMachine() throws {
        let error = #expect(throws: SystemError.self) { try machine.read() }
        #expect(error?.subject == machine.path)
    }

    @Test("this machine is read as the C library counts it, and a whole inventory comes of it")
    func thisMachine() throws {
        let node = try NodeTopology.read()
        #expect(node.cpus.online.count == sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        #expect(Set(node.cpus.usable) == (try Affinity.current()))
        #expect(node.architecture != nil && node.kernelRelease != nil)
        expectWhole(node, node.inventory(hostname: "here"))
    }
}

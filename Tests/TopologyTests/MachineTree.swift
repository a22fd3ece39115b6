import Foundation
import Topology

/// Builds the files that Linux has for a machine.
struct MachineTree {
    let tree: Tree
    var path: String { tree.path }
    private let cpuFolder = "sys/devices/system/cpu"

    init() throws { tree = try Tree() }

    /// A core: its hardware threads, where it is, and with whom it shares its L3.
    func core(
        _ threads: [Int], id: Int, package: Int = 0, die: Int = 0, l3: (cpus: [Int], size: Int)?
    ) throws {
        for cpu in threads {
            let folder = "\(cpuFolder)/cpu\(cpu)/"
            try tree.write(folder + "topology/core_id", "\(id)\n")
            try tree.write(folder + "topology/physical_package_id", "\(package)\n")
            try tree.write(folder + "topology/die_id", "\(die)\n")
            try tree.write(folder + "topology/core_cpus_list", CPUList.text(threads) + "\n")
            for (index, level, type) in [(0, 1, "Data"), (1, 1, "Instruction"), (2, 2, "Unified")] {
                let cache = folder + "cache/index\(index)/"
                try tree.write(cache + "level", "\(level)\n")
                try tree.write(cache + "type", type + "\n")
                try tree.write(cache + "shared_cpu_list", CPUList.text(threads) + "\n")
            }
            guard let l3 else { continue }
            try tree.write(folder + "cache/index3/level", "3\n")
            try tree.write(folder + "cache/index3/type", "Unified\n")
            try tree.write(folder + "cache/index3/size", "\(l3.size)K\n")
            try tree.write(folder + "cache/index3/shared_cpu_list", CPUList.text(l3.cpus) + "\n")
        }
    }

    func online(_ list: String, present: String? = nil, isolated: String = "") throws {
        try tree.write("\(cpuFolder)/online", list + "\n")
        try tree.write("\(cpuFolder)/present", (present ?? list) + "\n")
        try tree.write("\(cpuFolder)/isolated", isolated + "\n")
    }

    /// `memory` in GiB.
    func node(_ id: Int, _ cpus: String, memory: Int, distances: [Int]) throws {
        let folder = "sys/devices/system/node/node\(id)/"
        try tree.write(folder + "cpulist", cpus + "\n")
        try tree.write(
            folder + "meminfo",
            "Node \(id) MemTotal:       \(memory << 20) kB\nNode \(id) MemFree:  1 kB\n")
        try tree.write(
            folder + "distance", distances.map(String.init).joined(separator: " ") + "\n")
    }

    /// `bridges` from the host bridge down.
    func pci(
        _ address: String, _ bridges: [String], classCode: String = "0x030200",
        vendor: String = "0x10de", device: String = "0x2330", node: Int, cpus: String
    ) throws {
        let place = "devices/" + (bridges + [address]).joined(separator: "/")
        let folder = "sys/" + place + "/"
        try tree.write(folder + "class", classCode + "\n")
        try tree.write(folder + "vendor", vendor + "\n")
        try tree.write(folder + "device", device + "\n")
        try tree.write(folder + "numa_node", "\(node)\n")
        try tree.write(folder + "local_cpulist", cpus + "\n")
        try tree.link("sys/bus/pci/devices/" + address, to: "../../../" + place)
    }

    /// What the kernel module says of one, and its device file's minor number.
    func nvidia(_ address: String, minor: Int, uuid: String, model: String = "NVIDIA H100 80GB")
        throws
    {
        try tree.write(
            "proc/driver/nvidia/gpus/\(address)/information",
            """
            Model: \t\t \(model)
            IRQ:   \t\t 16
            GPU UUID: \t \(uuid)
            Video BIOS: \t 96.00.30.00.01
            Bus Type: \t PCIe
            DMA Size: \t 52 bits
            Bus Location: \t \(address)
            Device Minor: \t \(minor)
            GPU Excluded:\t No

            """)
        try tree.write(
            "proc/devices",
            """
            Character devices:
              1 mem
            195 nvidia
            195 nvidia-modeset
            195 nvidiactl
            236 nvidia-caps
            507 nvidia-uvm

            Block devices:
            236 nvidia-caps-no

            """)
    }

    func drm(_ pciFolder: String, _ names: [(name: String, minor: Int)]) throws {
        for (name, minor) in names {
            try tree.write("\(pciFolder)/drm/\(name)/dev", "226:\(minor)\n")
            try tree.link("sys/class/drm/\(name)", to: "/" + "\(pciFolder)/drm/\(name)")
            try tree.link("\(pciFolder)/drm/\(name)/device", to: "../../../" + lastPart(pciFolder))
        }
    }

    private func lastPart(_ path: String) -> String {
        path.split(separator: "/").last.map(String.init) ?? ""
    }

    func read(nvml: NVMLReport? = nil) throws -> NodeTopology {
        try NodeTopology.read(root: path, nvml: nvml)
    }
}

internal import JobModel

// PCI functions: /sys/bus/pci/devices, Documentation/ABI/testing/sysfs-bus-pci.
extension NodeTopology {
    private static let pciFolder = "/sys/bus/pci/devices"
    /// Base classes of the PCI Code and ID Assignment Specification: storage, network, display, processing accelerators; and
    /// InfiniBand controllers among the serial buses.
    private static let baseClasses: Set<Int> = [0x01, 0x02, 0x03, 0x12]
    private static let infiniBand = 0x0C06

    mutating func readPCIDevices(_ system: borrowing SystemRoot) {
        for address in system.names(in: Self.pciFolder).sorted() {
            let folder = Self.pciFolder + "/" + address
            guard let code = system.number(folder + "/class"),
                Self.baseClasses.contains(code >> 16) || code >> 8 == Self.infiniBand
            else { continue }
            let local =
                system.cpus(folder + "/local_cpulist", mask: folder + "/local_cpus")
            let online = Set(cpus.online)
            pciDevices.append(
                PCIDevice(
                    address: address, classCode: code,
                    vendor: system.number(folder + "/vendor") ?? 0,
                    device: system.number(folder + "/device") ?? 0,
                    numaNode: numaNode(
                        number: system.number(folder + "/numa_node"), localCPUs: local),
                    cpus: (local ?? []).filter(online.contains),
                    bridges: Self.bridges(system.link(folder))))
        }
    }

    /// `../../../devices/pci0000:00/0000:00:01.0/0000:02:00.0` → what stands before the last. Domains of other buses, such as
    /// Arm's platform devices, may stand above the host bridge.
    private static func bridges(_ link: String?) -> [String] {
        let parts = link?.split(separator: "/").map(String.init) ?? []
        guard let host = parts.firstIndex(where: { $0.hasPrefix("pci") }) else { return [] }
        return Array(parts[host...].dropLast())
    }

    func pciDevice(_ address: String) -> PCIDevice? {
        pciDevices.first { $0.address == address }
    }

    /// A GPU with what its PCI function says of it.
    func gpu(_ vendor: NodeInventory.GPU.Vendor, at address: String) -> GPU {
        var gpu = GPU(vendor: vendor, pciAddress: address)
        guard let device = pciDevice(address) else { return gpu }
        gpu.numaNode = device.numaNode
        gpu.cpus = device.cpus
        return gpu
    }

    /// The files of the Direct Rendering Manager in a folder such as `…/drm`.
    func renderNodes(_ folder: String, _ system: borrowing SystemRoot) -> [DeviceNode] {
        var nodes: [DeviceNode] = []
        for name in system.names(in: folder).sorted()
        where name.hasPrefix("card") || name.hasPrefix("renderD") {
            let file = folder + "/" + name + "/dev"
            guard let node = Self.deviceNode("/dev/dri/" + name, system.text(file)) else {
                continue
            }
            nodes.append(node)
        }
        return nodes
    }

    /// By the `226:128` of a `dev` file.
    static func deviceNode(_ path: String, _ numbers: String?) -> DeviceNode? {
        let parts = numbers?.split(separator: ":").compactMap { Int($0) } ?? []
        return parts.count == 2 ? DeviceNode(path: path, major: parts[0], minor: parts[1]) : nil
    }
}

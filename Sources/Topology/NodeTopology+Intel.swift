internal import JobModel
internal import LinuxSystem

// Intel's GPUs, by the Direct Rendering Manager, and the names that the PCI ID Repository has.
extension NodeTopology {
    private static let intel = 0x8086

    func intelGPUs(_ system: borrowing SystemRoot) -> [GPU] {
        var gpus: [GPU] = []
        for device in pciDevices
        where device.vendor == Self.intel && [0x03, 0x12].contains(device.classCode >> 16) {
            var gpu = gpu(.intel, at: device.address)
            gpu.deviceNodes = renderNodes("/sys/bus/pci/devices/\(device.address)/drm", system)
            // A display alone has no such file.
            guard gpu.deviceNodes.contains(where: { $0.path.contains("renderD") }) else { continue }
            gpu.model = name(ofDeviceAt: device.address, system) ?? ""
            // On the bus of the processor itself.
            gpu.isIntegrated = device.bridges.count == 1
            gpus.append(gpu)
        }
        return gpus
    }

    /// Nil where no pci.ids is installed, or it does not know the device.
    func name(ofDeviceAt address: String, _ system: borrowing SystemRoot) -> String? {
        guard let device = pciDevice(address) else { return nil }
        for path in ["/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids"] {
            guard let bytes = try? system.bytes(path, limit: 1 << 24) else { continue }
            return Self.name(device.vendor, device.device, in: bytes)
        }
        return nil
    }

    /// Vendors stand at the beginning of a line, their devices behind a tab: `8086  Intel`, `\t56c0  Data Center GPU`.
    static func name(_ vendor: Int, _ device: Int, in bytes: [UInt8]) -> String? {
        func digits(_ number: Int) -> [UInt8] {
            Array(String(0x1_0000 + number, radix: 16).utf8.dropFirst())
        }
        let (wantedVendor, wantedDevice) = (digits(vendor), digits(device))
        let (tab, newline) = (UInt8(ascii: "\t"), UInt8(ascii: "\n"))
        var isVendor = false
        var at = 0
        while at < bytes.count {
            let end = bytes[at...].firstIndex(of: newline) ?? bytes.count
            let line = bytes[at..<end]
            at = end + 1
            if line.first != tab {
                guard !isVendor else { return nil }
                isVendor = line.starts(with: wantedVendor)
            } else if isVendor, line.dropFirst().starts(with: wantedDevice) {
                return String(decoding: line.dropFirst(7), as: UTF8.self)
            }
        }
        return nil
    }
}

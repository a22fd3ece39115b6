import JobModel
import Testing

@testable import Topology

/// GPUs of three vendors, and how near they are to each other.
@Suite("GPUs")
struct GPUTests {
    let machine: MachineTree

    init() throws { machine = try MachineTree() }

    /// Two sockets of eight cores.
    private func sockets() throws {
        for core in 0..<16 {
            let socket = core / 8
            try machine.core(
                [core], id: core % 8, package: socket,
                l3: (Array(socket * 8..<socket * 8 + 8), 32_768))
        }
        try machine.online("0-15")
        try machine.node(0, "0-7", memory: 512, distances: [10, 32])
        try machine.node(1, "8-15", memory: 512, distances: [32, 10])
    }

    private static let addresses = [
        "0000:0f:00.0", "0000:10:00.0", "0000:1a:00.0", "0000:2a:00.0", "0000:b7:00.0",
        "0000:b8:00.0", "0000:c2:00.0", "0000:d2:00.0",
    ]

    /// Eight GPUs: of each socket two below one switch, one below another of the same port, one below another host bridge. The
    /// device files are numbered the other way round.
    private func dgx() throws {
        try sockets()
        for (index, address) in Self.addresses.enumerated() {
            let socket = index / 4
            let host = socket == 0 ? "pci0000:0a" : "pci0000:b0"
            let port = "0000:\(socket == 0 ? "0a" : "b0"):01.0"
            let bridges =
                switch index % 4 {
                case 0, 1: [host, port, "0000:0b:00.0", "0000:0c:0\(index % 4).0"]
                case 2:
                    [host, port, "0000:0b:00.0", "0000:0c:10.0", "0000:18:00.0", "0000:19:00.0"]
                default: [host + "f", "0000:ff:01.0"]
                }
            try machine.pci(
                address, bridges, node: socket, cpus: socket == 0 ? "0-7" : "8-15")
            try machine.nvidia(address, minor: 7 - index, uuid: "GPU-\(index)")
        }
    }

    private func report(links: [String: [String: Int]] = [:], switchLinks: Int = 0)
        -> NVMLReport
    {
        NVMLReport(
            driverVersion: "550.54",
            devices: Self.addresses.enumerated().map { index, address in
                NVMLReport.Device(
                    uuid: "GPU-\(index)", pciAddress: address, name: "NVIDIA H100 80GB HBM3",
                    memory: 80 << 30, isMIGEnabled: false, links: links[address] ?? [:],
                    switchLinks: switchLinks, mig: [])
            })
    }

    @Test("a DGX's GPUs have the device files that the driver numbers, and their socket's CPUs")
    func nvidiaWithoutNVML() throws {
        try dgx()
        let node = try machine.read()
        #expect(node.gpus.map(\.pciAddress) == Self.addresses)
        #expect(node.gpus.map(\.numaNode) == [0, 0, 0, 0, 1, 1, 1, 1])
        #expect(node.gpus[5].cpus == Array(8...15) && node.gpus[5].model == "NVIDIA H100 80GB")
        #expect(
            node.gpus[5].deviceNodes == [DeviceNode(path: "/dev/nvidia2", major: 195, minor: 2)])
        #expect(
            node.driverNodes[.nvidia] == [
                DeviceNode(path: "/dev/nvidiactl", major: 195, minor: 255),
                DeviceNode(path: "/dev/nvidia-modeset", major: 195, minor: 254),
                DeviceNode(path: "/dev/nvidia-uvm", major: 507, minor: 0),
                DeviceNode(path: "/dev/nvidia-uvm-tools", major: 507, minor: 1),
            ])
        let inventory = node.inventory(hostname: "dgx")
        #expect(inventory.gpus.map(\.id) == (0..<8).map { "GPU-\($0)" })
        #expect(inventory.labels["gpu"] == "NVIDIA H100 80GB")
    }

    @Test("GPUs are as near as the lowest bridge that is above both")
    func pciDistances() throws {
        try dgx()
        let links = try machine.read().gpuLinks
        #expect(links[0] == [0, 50, 40, 20, 10, 10, 10, 10])
        #expect(links[4] == [10, 10, 10, 10, 0, 50, 40, 20])
        for one in links.indices {
            for other in links.indices { #expect(links[one][other] == links[other][one]) }
        }
        try machine.pci(
            "0000:11:00.0", ["pci0000:0a", "0000:0a:02.0"], node: 0, cpus: "0-7")
        try machine.nvidia("0000:11:00.0", minor: 8, uuid: "GPU-8")
        #expect(try machine.read().gpuLinks[0][2] == 30)
    }

    @Test("NVLinks count by the hundred, whether direct or by way of switches")
    func nvlinks() throws {
        try dgx()
        let pair = [
            Self.addresses[0]: [Self.addresses[4]: 2], Self.addresses[4]: [Self.addresses[0]: 2],
        ]
        let direct = try machine.read(nvml: report(links: pair))
        #expect(direct.gpuLinks[0] == [0, 50, 40, 20, 210, 10, 10, 10])
        #expect(direct.gpus[0].memory == 80 << 30)
        let switched = try machine.read(nvml: report(switchLinks: 18))
        #expect(switched.gpuLinks[7] == [1810, 1810, 1810, 1810, 1820, 1820, 1820, 0])
        #expect(switched.inventory(hostname: "dgx").gpuLinks == switched.gpuLinks)
    }

    @Test("a GPU's memory that is a NUMA node is no task's memory, as on a Grace Hopper")
    func coherentMemory() throws {
        for cpu in 0..<4 { try machine.core([cpu], id: cpu, l3: (Array(0..<4), 116_736)) }
        try machine.online("0-3")
        try machine.node(0, "0-3", memory: 480, distances: [10, 80])
        try machine.node(1, "", memory: 96, distances: [80, 10])
        try machine.pci("0009:01:00.0", ["pci0009:00", "0009:00:00.0"], node: 0, cpus: "0-3")
        try machine.nvidia("0009:01:00.0", minor: 0, uuid: "GPU-a", model: "NVIDIA GH200 480GB")
        try machine.tree.write(
            "proc/driver/nvidia/gpus/0009:01:00.0/numa_status",
            "Node:      1\nStatus:    online\nAddress:   420000000000\nSize:      1800000000\n")
        let node = try machine.read()
        #expect(node.numaNodes.map(\.gpu) == [nil, "0009:01:00.0"])
        #expect(node.gpus[0].memory == 96 << 30)
        let inventory = node.inventory(hostname: "gh200")
        #expect(inventory.numaNodes.map(\.id) == [0] && inventory.gpus[0].numaNode == 0)
    }

    // MARK: Multi-Instance GPU

    private func mig() throws {
        try dgx()
        // Of the GPU whose device file is /dev/nvidia7, the first.
        for path in ["gi1/access", "gi1/ci0/access", "gi2/access", "gi2/ci0/access"] {
            try machine.tree.write(
                "proc/driver/nvidia/capabilities/gpu7/mig/" + path, "DeviceFileMinor: 3\n")
        }
        try machine.tree.write(
            "proc/driver/nvidia-caps/mig-minors",
            """
            config 1
            monitor 2
            gpu7/gi1/access 957
            gpu7/gi1/ci0/access 958
            gpu7/gi2/access 966
            gpu7/gi2/ci0/access 967

            """)
    }

    @Test("without NVML a MIG device has its capability files and an older name, and no profile")
    func migWithoutNVML() throws {
        try mig()
        let node = try machine.read()
        let slices = node.gpus[0].mig
        #expect(slices.map(\.uuid) == ["MIG-GPU-0/1/0", "MIG-GPU-0/2/0"])
        #expect(
            slices[1].deviceNodes == [
                DeviceNode(path: "/dev/nvidia-caps/nvidia-cap966", major: 236, minor: 966),
                DeviceNode(path: "/dev/nvidia-caps/nvidia-cap967", major: 236, minor: 967),
            ])
        // The driver's files come last.
        let paths = node.deviceNodes(ofGPU: "MIG-GPU-0/1/0")?.map(\.path)
        #expect(
            paths?.prefix(4) == [
                "/dev/nvidia7", "/dev/nvidia-caps/nvidia-cap957", "/dev/nvidia-caps/nvidia-cap958",
                "/dev/nvidiactl",
            ])
        #expect(node.deviceNodes(ofGPU: "GPU-1")?.first?.path == "/dev/nvidia6")
        #expect(node.deviceNodes(ofGPU: "GPU-x") == nil)
        let inventory = node.inventory(hostname: "dgx")
        #expect(inventory.gpus.count == 9)
        #expect(inventory.gpus.prefix(3).map(\.profile) == ["mig", "mig", nil])
        #expect(inventory.gpus[0].parent == "GPU-0" && inventory.gpus[0].numaNode == 0)
        #expect(inventory.gpuLinks[0].prefix(3) == [0, 50, 50])
    }

    @Test("with NVML it has its profile, and a GPU that is cut but not into pieces is not offered")
    func migWithNVML() throws {
        try mig()
        var told = report(switchLinks: 12)
        told.devices[0].isMIGEnabled = true
        told.devices[0].mig = [
            NVMLReport.Slice(
                uuid: "MIG-x", name: "NVIDIA H100 80GB HBM3 MIG 1g.10gb", gpuInstance: 1,
                computeInstance: 0, gpuSlices: 1, computeSlices: 1, memory: 9984 << 20),
            NVMLReport.Slice(
                uuid: "MIG-y", name: "", gpuInstance: 2, computeInstance: 0, gpuSlices: 3,
                computeSlices: 2, memory: 40_192 << 20),
        ]
        told.devices[1].isMIGEnabled = true
        let node = try machine.read(nvml: told)
        #expect(node.gpus[0].mig.map(\.profile) == ["1g.10gb", "2c.3g.40gb"])
        #expect(node.gpus[0].mig[0].deviceNodes.map(\.minor) == [957, 958])
        let inventory = node.inventory(hostname: "dgx")
        #expect(inventory.gpus.map(\.id) == ["MIG-x", "MIG-y"] + (2..<8).map { "GPU-\($0)" })
        #expect(inventory.gpus[0].memory == 9984 << 20)
        // No slice has the links of the whole.
        #expect(inventory.gpuLinks[0][2] == 40 && inventory.gpuLinks[2][3] == 1220)
    }

    // MARK: Others

    /// A node of AMD's compute driver; `links` are those of its Infinity Fabric.
    private func kfd(_ id: Int, _ properties: [String: Int], links: [Int] = []) throws {
        let folder = "sys/class/kfd/kfd/topology/nodes/\(id)/"
        try machine.tree.write(
            folder + "properties", properties.map { "\($0) \($1)\n" }.joined())
        for (index, to) in links.enumerated() {
            try machine.tree.write(
                folder + "io_links/\(index)/properties",
                "type 11\nnode_from \(id)\nnode_to \(to)\nweight 15\n")
        }
        let folderOfPCIe = folder + "io_links/9/properties"
        try machine.tree.write(folderOfPCIe, "type 2\nnode_from \(id)\nnode_to 0\nweight 20\n")
    }

    @Test("AMD's GPUs are the compute driver's, with render files and links of Infinity Fabric")
    func amd() throws {
        try sockets()
        try machine.tree.write("sys/class/kfd/kfd/dev", "510:0\n")
        try kfd(0, ["cpu_cores_count": 8, "simd_count": 0])
        for (index, address) in ["0000:26:00.0", "0000:c6:00.0"].enumerated() {
            let host = index == 0 ? "pci0000:20" : "pci0000:c0"
            try machine.pci(
                address, [host, "0000:20:01.1"], classCode: "0x120000", vendor: "0x1002",
                device: "0x740f", node: index, cpus: index == 0 ? "0-7" : "8-15")
            try kfd(
                1 + index,
                [
                    "simd_count": 416, "cpu_cores_count": 0, "domain": 0,
                    "location_id": index == 0 ? 0x2600 : 0xC600,
                    "unique_id": index == 0 ? 0xABCD : 0x1234_5678_9ABC_DEF0,
                    "drm_render_minor": 128 + index,
                ], links: [2 - index, 2 - index])
            let folder = "sys/devices/\(host)/0000:20:01.1/\(address)"
            try machine.drm(
                folder, [("card\(index)", index), ("renderD\(128 + index)", 128 + index)])
            try machine.tree.write(folder + "/mem_info_vram_total", "\(64 << 30)\n")
        }
        try machine.tree.write(
            "usr/share/misc/pci.ids",
            "# comment\n1001  Other\n\t740f  Wrong\n1002  AMD\n\t740c  No\n\t740f  Instinct MI210\n"
        )
        let node = try machine.read()
        #expect(node.gpus.map(\.uuid) == ["GPU-000000000000abcd", "GPU-123456789abcdef0"])
        #expect(node.gpus.map(\.model) == ["Instinct MI210", "Instinct MI210"])
        #expect(node.gpus.map(\.numaNode) == [0, 1] && node.gpus[1].memory == 64 << 30)
        #expect(node.gpus[1].deviceNodes.map(\.path) == ["/dev/dri/card1", "/dev/dri/renderD129"])
        #expect(node.gpus[1].deviceNodes[1].minor == 129)
        #expect(node.driverNodes[.amd] == [DeviceNode(path: "/dev/kfd", major: 510, minor: 0)])
        #expect(node.gpuLinks == [[0, 210], [210, 0]])
    }

    @Test("graphics within the processor are offered where there is nothing else")
    func intel() throws {
        try sockets()
        func add(_ address: String, _ bridges: [String], _ minor: Int) throws {
            try machine.pci(
                address, bridges, classCode: "0x030000", vendor: "0x8086", device: "0x56c0",
                node: -1, cpus: "0-15")
            try machine.drm(
                "sys/devices/" + (bridges + [address]).joined(separator: "/"),
                [("card\(minor)", minor), ("renderD\(128 + minor)", 128 + minor)])
        }
        try add("0000:00:02.0", ["pci0000:00"], 0)
        let alone = try machine.read()
        #expect(alone.gpus[0].isIntegrated && alone.gpus[0].numaNode == nil)
        #expect(alone.inventory(hostname: "n").gpus.map(\.id) == ["0000:00:02.0"])
        try add("0000:03:00.0", ["pci0000:00", "0000:00:01.0"], 1)
        let both = try machine.read()
        #expect(both.gpus.count == 2)
        #expect(both.inventory(hostname: "n").gpus.map(\.id) == ["0000:03:00.0"])
        #expect(both.inventory(hostname: "n").gpus[0].vendor == .intel)
    }

    @Test("a GPU that the driver was told to leave alone is not offered")
    func excluded() throws {
        try sockets()
        try machine.tree.write(
            "proc/driver/nvidia/gpus/0000:01:00.0/information",
            "Model: \t X\nGPU UUID: \t GPU-????????-????\nDevice Minor: \t 0\nGPU Excluded:\t Yes\n"
        )
        let node = try machine.read()
        #expect(node.gpus.map(\.isExcluded) == [true])
        #expect(node.inventory(hostname: "n").gpus.isEmpty)
    }
}

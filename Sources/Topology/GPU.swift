public import JobModel

/// A PCI function and the way to it.
public struct PCIDevice: Sendable, Hashable {
    /// `0000:3b:00.0`.
    public var address: String
    /// Class, subclass and interface: 0x030200 is a 3D controller.
    public var classCode: Int
    public var vendor: Int
    public var device: Int
    /// Whose CPUs are nearest; nil where unknown.
    public var numaNode: Int?
    /// Nearest CPUs that are online.
    public var cpus: [Int]
    /// Host bridge (`pci0000:3a`), root port and switch ports above it, from the top; empty where unknown.
    public var bridges: [String]
}

/// A device file, as the kernel numbers it.
public struct DeviceNode: Sendable, Hashable {
    public var path: String
    public var major: Int
    public var minor: Int
    public init(path: String, major: Int, minor: Int) {
        self.path = path
        self.major = major
        self.minor = minor
    }
}

public struct GPU: Sendable, Hashable {
    public var vendor: NodeInventory.GPU.Vendor
    /// May be empty.
    public var model = ""
    public var uuid: String?
    public var pciAddress: String
    public var numaNode: Int?
    /// Nearest CPUs that are online.
    public var cpus: [Int] = []
    /// Bytes; nil where unknown.
    public var memory: Int64?
    /// Its own; what its vendor's driver needs besides is in `NodeTopology.driverNodes`.
    public var deviceNodes: [DeviceNode] = []
    public var mig: [MIGDevice] = []
    /// Cut into MIG devices, of which there may be none yet: nothing runs on the whole.
    public var isPartitioned = false
    /// The driver was told to leave it alone.
    public var isExcluded = false
    /// Part of a processor, with its memory.
    public var isIntegrated = false
    /// Which of the GPUs at its address, where it is a partition that looks like one.
    public var partition: Int?

    public init(vendor: NodeInventory.GPU.Vendor, pciAddress: String) {
        self.vendor = vendor
        self.pciAddress = pciAddress
    }

    /// As `NodeInventory.GPU.id`.
    public var id: String { uuid ?? partition.map { "\(pciAddress)/\($0)" } ?? pciAddress }
}

/// A hardware slice of an NVIDIA GPU (Multi-Instance GPU).
public struct MIGDevice: Sendable, Hashable {
    /// Numbers that the driver gives.
    public var gpuInstance: Int
    public var computeInstance: Int
    /// `MIG-…`; without NVML the older form that names the GPU and both instances, which CUDA takes as well.
    public var uuid: String
    /// `1g.10gb`; nil without NVML.
    public var profile: String?
    /// Bytes; nil without NVML.
    public var memory: Int64?
    /// Those of both instances; the GPU's own is needed, too.
    public var deviceNodes: [DeviceNode] = []
}

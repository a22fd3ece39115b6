public import JobModel

/// What a node is made of: CPUs, caches, NUMA nodes and their memory, PCI devices, GPUs; and the devices that vendors describe
/// for containers.
///
/// Everything is read from /sys and /proc beneath a system root, so that captured machines can be read as well. Imports
/// LinuxSystem, JobModel and OCIRuntimeSpec. Start here, then `NodeTopology+Read.swift`; `CDIRegistry.swift` stands alone.
public struct NodeTopology: Sendable, Hashable {
    /// Logical CPUs by what can be done with them, each list ascending.
    public struct CPUs: Sendable, Hashable {
        public var online: [Int] = []
        public var offline: [Int] = []
        /// Kept from the scheduler by the kernel's command line (isolcpus).
        public var isolated: [Int] = []
        /// Online, and in the reader's affinity mask and cpuset; without a mask to read, not isolated.
        public var usable: [Int] = []
    }

    public struct Package: Sendable, Hashable {
        public var id: Int
        /// Online.
        public var cpus: [Int]
    }

    public struct NUMANode: Sendable, Hashable {
        public var id: Int
        /// Online; none where it is memory alone.
        public var cpus: [Int]
        /// Bytes.
        public var memory: Int64
        /// To each of the nodes, in their order (ACPI SLIT: 10 is the node itself); empty where unknown.
        public var distances: [Int]
        /// Address of the GPU whose memory it is. Nothing of a task's own belongs there.
        public var gpu: String?
        /// In the reader's cpuset.
        public var isAllowed = true
    }

    public struct L3Domain: Sendable, Hashable {
        /// Online.
        public var cpus: [Int]
        /// Bytes; nil where unknown.
        public var size: Int64?
    }

    public struct Core: Sendable, Hashable {
        /// Within its package; not dense.
        public var id: Int
        public var package: Int
        public var die: Int?
        public var cluster: Int?
        public var numaNode: Int?
        /// Position in `l3Domains`.
        public var l3: Int?
        /// Its hardware threads that are online.
        public var cpus: [Int]
        public var kind: NodeInventory.Core.Kind?
    }

    public var cpus = CPUs()
    public var packages: [Package] = []
    public var numaNodes: [NUMANode] = []
    public var l3Domains: [L3Domain] = []
    /// By the first of their CPUs.
    public var cores: [Core] = []
    /// Those that move data: storage, network, display, accelerators.
    public var pciDevices: [PCIDevice] = []
    /// By their PCI addresses.
    public var gpus: [GPU] = []
    /// How near they are to each other, as `NodeInventory.gpuLinks`.
    public var gpuLinks: [[Int]] = []
    /// Device files that all GPUs of a vendor need along with their own.
    public var driverNodes: [NodeInventory.GPU.Vendor: [DeviceNode]] = [:]
    /// `x86_64`; nil where another machine's root does not say.
    public var architecture: String?
    /// `6.1.0-13-amd64`.
    public var kernelRelease: String?
    /// What could not be found out, and why: for people.
    public var notes: [String] = []

    public init() {}
}

internal import JobModel

/// A topology as `martlet topology --json` prints it. CPU lists are in the kernel's form, `0-3,8`.
public struct TopologyDocument: Encodable {
    private let schema = JobModel.schemaVersion
    private let architecture: String?
    private let kernelRelease: String?
    private let cpus: CPUs
    private let packages: [Package]
    private let numaNodes: [NUMANode]
    private let l3Domains: [L3Domain]
    private let cores: [Core]
    private let gpus: [GPUDescription]
    private let gpuLinks: [[Int]]
    private let driverNodes: [String: [Node]]
    private let pciDevices: [PCI]
    private let cdiDevices: [String]
    private let notes: [String]

    /// `cdi` is what the machine's vendors describe; what is wrong with their files is among the notes.
    public init(_ topology: NodeTopology, _ cdi: CDIRegistry = CDIRegistry()) {
        architecture = topology.architecture
        kernelRelease = topology.kernelRelease
        cpus = CPUs(topology.cpus)
        packages = topology.packages.map { Package(id: $0.id, cpus: CPUList.text($0.cpus)) }
        numaNodes = topology.numaNodes.map(NUMANode.init)
        l3Domains = topology.l3Domains.map {
            L3Domain(cpus: CPUList.text($0.cpus), sizeBytes: $0.size)
        }
        cores = topology.cores.map(Core.init)
        gpus = topology.gpus.enumerated().map { GPUDescription($0, $1) }
        gpuLinks = topology.gpuLinks
        driverNodes = Dictionary(
            uniqueKeysWithValues: topology.driverNodes.map { ($0.rawValue, $1.map(Node.init)) })
        pciDevices = topology.pciDevices.map(PCI.init)
        cdiDevices = cdi.names
        notes = topology.notes + cdi.problems.map(\.description)
    }

    private struct CPUs: Encodable {
        let online, offline, isolated, usable: String
        init(_ cpus: NodeTopology.CPUs) {
            online = CPUList.text(cpus.online)
            offline = CPUList.text(cpus.offline)
            isolated = CPUList.text(cpus.isolated)
            usable = CPUList.text(cpus.usable)
        }
    }

    private struct Package: Encodable {
        let id: Int
        let cpus: String
    }

    private struct NUMANode: Encodable {
        let id: Int
        let cpus: String
        let memoryBytes: Int64
        let distances: [Int]
        /// Whether it is a GPU's memory, and of which.
        let gpuMemory: Bool
        let gpu: String?
        let allowed: Bool
        init(_ node: NodeTopology.NUMANode) {
            id = node.id
            cpus = CPUList.text(node.cpus)
            memoryBytes = node.memory
            distances = node.distances
            gpuMemory = node.gpu != nil
            gpu = node.gpu
            allowed = node.isAllowed
        }
    }

    private struct L3Domain: Encodable {
        let cpus: String
        let sizeBytes: Int64?
    }

    private struct Core: Encodable {
        let id, package: Int
        let die, cluster, numaNode, l3Domain: Int?
        let cpus: String
        let kind: String?
        init(_ core: NodeTopology.Core) {
            id = core.id
            package = core.package
            die = core.die
            cluster = core.cluster
            numaNode = core.numaNode
            l3Domain = core.l3
            cpus = CPUList.text(core.cpus)
            kind = core.kind?.rawValue
        }
    }

    private struct GPUDescription: Encodable {
        let index: Int
        let vendor, model: String
        let uuid: String?
        let pciAddress: String
        let partition, numaNode: Int?
        let cpus: String
        let memoryBytes: Int64?
        let deviceNodes: [Node]
        let mig: [Slice]
        let partitioned, excluded, integrated: Bool
        init(_ index: Int, _ gpu: GPU) {
            self.index = index
            vendor = gpu.vendor.rawValue
            model = gpu.model
            uuid = gpu.uuid
            pciAddress = gpu.pciAddress
            partition = gpu.partition
            numaNode = gpu.numaNode
            cpus = CPUList.text(gpu.cpus)
            memoryBytes = gpu.memory
            deviceNodes = gpu.deviceNodes.map(Node.init)
            mig = gpu.mig.map(Slice.init)
            partitioned = gpu.isPartitioned
            excluded = gpu.isExcluded
            integrated = gpu.isIntegrated
        }
    }

    private struct Slice: Encodable {
        let uuid: String
        let profile: String?
        let memoryBytes: Int64?
        let gpuInstance, computeInstance: Int
        let deviceNodes: [Node]
        init(_ device: MIGDevice) {
            uuid = device.uuid
            profile = device.profile
            memoryBytes = device.memory
            gpuInstance = device.gpuInstance
            computeInstance = device.computeInstance
            deviceNodes = device.deviceNodes.map(Node.init)
        }
    }

    private struct Node: Encodable {
        let path: String
        let major, minor: Int
        init(_ node: DeviceNode) {
            path = node.path
            major = node.major
            minor = node.minor
        }
    }

    private struct PCI: Encodable {
        let address, classCode, vendor, device: String
        let numaNode: Int?
        let cpus: String
        let bridges: [String]
        init(_ device: PCIDevice) {
            /// As lspci(8) has them.
            func hex(_ value: Int, _ digits: Int) -> String {
                let text = String(value, radix: 16)
                return String(repeating: "0", count: max(0, digits - text.count)) + text
            }
            address = device.address
            classCode = hex(device.classCode, 6)
            vendor = hex(device.vendor, 4)
            self.device = hex(device.device, 4)
            numaNode = device.numaNode
            cpus = CPUList.text(device.cpus)
            bridges = device.bridges
        }
    }
}

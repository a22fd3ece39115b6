internal import JobModel
public import LinuxSystem

extension NodeTopology {
    /// Reads the machine below `root` (`/` is this one). Files that are not there leave out what they would have said; without any
    /// CPU it throws ENOENT.
    /// `nvml` is what NVIDIA's own library says besides, of this machine.
    public static func read(root: String = "/", nvml: NVMLReport? = nil) throws(SystemError)
        -> NodeTopology
    {
        let system = try SystemRoot(root)
        var node = NodeTopology()
        node.readPlatform(system)
        node.readCPUs(system)
        guard !node.cpus.online.isEmpty else {
            throw SystemError(
                "find CPUs below", root, errno: 2, hint: "is it the root of a Linux machine?")
        }
        node.readNUMANodes(system)
        node.readL3Domains(system)
        node.readKinds(system)
        node.restrict(to: Allowance(system))
        node.readPCIDevices(system)
        node.gpus = node.nvidiaGPUs(system) + node.amdGPUs(system) + node.intelGPUs(system)
        node.gpus.sort { ($0.pciAddress, $0.partition ?? 0) < ($1.pciAddress, $1.partition ?? 0) }
        if let nvml { node.add(nvml) }
        node.markGPUMemory(system)
        node.gpuLinks = node.links(system, nvml)
        return node
    }

    /// Reads this machine, and has NVML asked where it has NVIDIA's GPUs and `martlet-nvml` lies beside this program.
    public static func readThisMachine() throws(SystemError) -> NodeTopology {
        guard Files.exists(nvidiaFolder + "/gpus") else { return try read() }
        do throws(SystemError) {
            return try read(nvml: try NVMLReport.read(program: Daemon.sibling("martlet-nvml")))
        } catch {
            var node = try read()
            node.notes.append("no NVLinks and no MIG profiles are known: \(error)")
            return node
        }
    }

    private mutating func readPlatform(_ system: borrowing SystemRoot) {
        // `Linux version 6.1.0-13-amd64 (…`
        let words = system.text("/proc/version")?.split(separator: " ") ?? []
        kernelRelease =
            system.text("/proc/sys/kernel/osrelease") ?? words.dropFirst(2).first.map(String.init)
        // Since Linux 6.1.
        architecture = system.text("/proc/sys/kernel/arch")
        guard architecture == nil, system.path == "/" else { return }
        #if arch(x86_64)
            architecture = "x86_64"
        #elseif arch(arm64)
            architecture = "aarch64"
        #endif
    }

    /// Leaves what the reader may use.
    private mutating func restrict(to allowance: Allowance) {
        let isolated = Set(cpus.isolated)
        cpus.usable = cpus.online.filter { cpu in
            allowance.cpus?.contains(cpu) ?? !isolated.contains(cpu)
        }
        for index in numaNodes.indices {
            numaNodes[index].isAllowed =
                allowance.memoryNodes?.contains(numaNodes[index].id) ?? true
        }
    }
}

internal import Glibc
internal import LinuxSystem
internal import OCIRuntimeSpec

/// What `linux.resources` asks to have written, in order. Pure: facts about the machine come in, nothing is read here.
///
/// Zero stands for "not set" where a document of runc's and Docker's kind has it so: weights, shares, quota, periods and
/// sizes. Kernel memory (deprecated in config-linux.md) is not limited, and said.
struct ResourceWrites {
    /// One write into a file of a controller.
    struct Write: Equatable {
        let controller: String
        let file: String
        let value: String
        /// As the document names it: `linux.resources.memory.limit`.
        let field: String
        /// Where the machine lacks the file, nothing is lost.
        var isOptional = false
    }

    /// What cannot be known from the document alone.
    struct Facts {
        /// Controllers that live in the v2 tree.
        var unified: Set<String> = []
        /// The block scheduler BFQ has weights of its own, in files of its own.
        var hasBFQ = false
        /// First word of `cpu.max`, kept where the period alone changes.
        var quota = "max"
    }

    var writes: [Write] = []
    var notes: [String] = []
    let facts: Facts

    /// Throws EINVAL for what contradicts itself, EOPNOTSUPP for what cgroup v2 has no file for.
    init(_ resources: ResourcesSpec, _ facts: Facts) throws(SystemError) {
        self.facts = facts
        if resources.memory.kernel ?? 0 != 0 { note("linux.resources.memory.kernel") }
        if resources.memory.kernelTCP ?? 0 != 0 { note("linux.resources.memory.kernelTCP") }
        try cpuset(resources.cpu)
        if isUnified("cpu") { try cpuV2(resources.cpu) } else { cpuV1(resources.cpu) }
        if isUnified("memory") {
            try memoryV2(resources.memory)
        } else {
            memoryV1(resources.memory)
        }
        if let limit = resources.pidsLimit {
            add(
                "pids", "pids.max", limit > 0 ? "\(limit)" : "max", "pids.limit",
                isOptional: limit <= 0)
        }
        if let blockIO = resources.blockIO {
            if isUnified("io") { try blockIOV2(blockIO) } else { blockIOV1(blockIO) }
        }
        try hugepages(resources.hugepageLimits)
        rdma(resources.rdma)
        if let network = resources.network { self.network(network) }
        try unified(resources.unified)
    }

    func isUnified(_ controller: String) -> Bool { facts.unified.contains(controller) }

    mutating func add(
        _ controller: String, _ file: String, _ value: String, _ field: String,
        isOptional: Bool = false
    ) {
        writes.append(
            Write(
                controller: controller, file: file, value: value,
                field: "linux.resources." + field, isOptional: isOptional))
    }

    private mutating func note(_ field: String) {
        notes.append("\(field) is deprecated and not applied")
    }

    static func unsupported(_ field: String) -> SystemError {
        SystemError(
            "set", "linux.resources." + field, errno: EOPNOTSUPP,
            hint: "cgroup v2 has nothing of the kind")
    }

    static func invalid(_ field: String, _ problem: String) -> SystemError {
        SystemError("set", "linux.resources." + field, errno: EINVAL, hint: problem)
    }
}

extension ResourceWrites {
    private mutating func cpuset(_ cpu: CPUSpec) throws(SystemError) {
        for (value, file, field) in [
            (cpu.mems, "cpuset.mems", "cpu.mems"), (cpu.cpus, "cpuset.cpus", "cpu.cpus"),
        ] {
            guard let value, !value.isEmpty else { continue }
            // The kernel would read an end of line as the end, and what follows as another write's.
            guard value.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
                throw Self.invalid(field, "it is no list such as 0-3,8")
            }
            add("cpuset", file, value, field)
        }
    }

    /// hugetlb.rst, cgroup-v2.rst: pages in use and pages reserved (Linux 5.7) are limited apart.
    private mutating func hugepages(_ limits: [HugepageLimit]) throws(SystemError) {
        let suffix = isUnified("hugetlb") ? "max" : "limit_in_bytes"
        for limit in limits {
            let size = limit.pageSize
            let field = "hugepageLimits[\(size)]"
            guard Self.isPageSize(size) else {
                throw Self.invalid(field, "a page size is a number and KB, MB or GB")
            }
            add("hugetlb", "hugetlb.\(size).\(suffix)", "\(limit.limit)", field)
            add(
                "hugetlb", "hugetlb.\(size).rsvd.\(suffix)", "\(limit.limit)", field,
                isOptional: true)
        }
    }

    private static func isPageSize(_ text: String) -> Bool {
        guard ["KB", "MB", "GB"].contains(text.suffix(2)) else { return false }
        let digits = text.dropLast(2).utf8
        return !digits.isEmpty
            && digits.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }

    private mutating func rdma(_ limits: [String: RdmaLimit]) {
        for (device, limit) in limits.sorted(by: { $0.key < $1.key }) {
            let parts =
                (limit.hcaHandles.map { ["hca_handle=\($0)"] } ?? [])
                + (limit.hcaObjects.map { ["hca_object=\($0)"] } ?? [])
            guard !parts.isEmpty else { continue }
            add(
                "rdma", "rdma.max", ([device] + parts).joined(separator: " "), "rdma[\(device)]")
        }
    }

    /// v2 has neither controller, so that there they have no home.
    private mutating func network(_ network: NetworkSpec) {
        if let classID = network.classID {
            add("net_cls", "net_cls.classid", "\(classID)", "network.classID")
        }
        for (interface, priority) in network.priorities.sorted(by: { $0.key < $1.key }) {
            add(
                "net_prio", "net_prio.ifpriomap", "\(interface) \(priority)",
                "network.priorities[\(interface)]")
        }
    }

    /// Verbatim; only the name is looked at, which must not lead out of the cgroup.
    private mutating func unified(_ files: [String: String]) throws(SystemError) {
        for (name, value) in files.sorted(by: { $0.key < $1.key }) {
            guard !name.isEmpty, name != ".", name != "..", name.contains("."),
                !name.utf8.contains(UInt8(ascii: "/")), !name.utf8.contains(0)
            else { throw Self.invalid("unified[\(name)]", "it is no name of a file of a cgroup") }
            add(ContainerCgroup.unified, name, value, "unified[\(name)]")
        }
    }
}

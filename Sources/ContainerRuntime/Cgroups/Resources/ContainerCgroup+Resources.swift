internal import Glibc
public import LinuxSystem
public import OCIRuntimeSpec

extension ContainerCgroup {
    /// What `update` does: sets what `resources` names, and leaves the rest. Returns what was left undone, for the log.
    /// Throws with the field that the machine refuses; what was written before it stays.
    public func update(_ resources: ResourcesSpec) throws(SystemError) -> [String] {
        var notes = try apply(resources)
        try updateScope(resources)
        if !resources.devices.isEmpty { notes += try apply(DeviceRules(resources.devices)) }
        return notes
    }

    func apply(_ resources: ResourcesSpec) throws(SystemError) -> [String] {
        let plan = try ResourceWrites(resources, facts)
        try checkUsage(resources.memory)
        // The kernel refuses what does not fit together: a limit above that of memory and swap, a burst above the quota. Which
        // comes first depends on what stood there before, so what is refused is tried again after the rest.
        var refused: [ResourceWrites.Write] = []
        for write in plan.writes {
            do throws(SystemError) {
                try perform(write)
            } catch {
                guard error.errno == EINVAL else { throw error }
                refused.append(write)
            }
        }
        for write in refused { try perform(write) }
        return plan.notes
    }

    private var facts: ResourceWrites.Facts {
        var facts = ResourceWrites.Facts()
        guard let unified else {
            facts.hasBFQ = hasFile("blkio", "blkio.bfq.weight")
            return facts
        }
        facts.unified = Set(
            ["cpu", "memory", "io", "hugetlb", "rdma", "pids", "cpuset"].filter {
                directories[$0 == "io" ? "blkio" : $0] == nil
            })
        facts.hasBFQ =
            facts.unified.contains("io")
            ? Files.exists(unified + "/io.bfq.weight") : hasFile("blkio", "blkio.bfq.weight")
        facts.quota = CgroupFile.words(unified + "/cpu.max").first ?? "max"
        return facts
    }

    private func hasFile(_ controller: String, _ name: String) -> Bool {
        directories[controller].map { Files.exists($0 + "/" + name) } ?? false
    }

    private func perform(_ write: ResourceWrites.Write) throws(SystemError) {
        guard let home = home(of: write.controller) else {
            if write.isOptional { return }
            throw SystemError(
                "set", write.field, errno: EOPNOTSUPP,
                hint: "the container has no cgroup of the controller \(write.controller)"
                    + notes.map { "; " + $0 }.joined())
        }
        let path = home.directory + "/" + write.file
        do throws(SystemError) {
            try CgroupFile.write(path, write.value)
        } catch {
            if write.isOptional, error.errno == ENOENT { return }
            let hint =
                error.errno == ENOENT && home.isUnified
                ? "there is no \(path): the kernel lacks it, or a cgroup above does not hand the controller on"
                : "writing \(write.value) to \(path)"
            throw SystemError("set", write.field, errno: error.errno, hint: hint)
        }
    }

    /// config-linux.md, `memory.checkBeforeUpdate`: rather refuse than kill. v1 refuses by itself.
    private func checkUsage(_ memory: MemorySpec) throws(SystemError) {
        guard memory.checkBeforeUpdate == true, let limit = memory.limit, limit > 0,
            let home = home(of: "memory"),
            let usage = CgroupFile.number(
                home.directory
                    + (home.isUnified ? "/memory.current" : "/memory.usage_in_bytes"))
        else { return }
        guard usage <= UInt64(limit) else {
            throw SystemError(
                "set", "linux.resources.memory.limit", errno: EBUSY,
                hint: "\(usage) bytes are in use, and checkBeforeUpdate is set")
        }
    }
}

internal import JobModel
internal import NodeLink
internal import OCISpec
internal import Topology

extension TaskPlanner {
    /// Later entries win: image, devices, what launchers look for, spec, secrets, and then what Martlet itself says.
    func environment(
        for task: RunTask, _ image: ImageProcess, _ places: Places, _ devices: DeviceGrant
    ) -> [String] {
        var values: [(String, String)] = image.environment.compactMap { entry in
            guard let equals = entry.firstIndex(of: "=") else { return nil }
            return (String(entry[..<equals]), String(entry[entry.index(after: equals)...]))
        }
        // An image cannot ask for GPUs, and is not to look as if it had some.
        let asked = "NVIDIA_VISIBLE_DEVICES"
        if values.contains(where: { $0.0 == asked }) { values.append((asked, "void")) }
        values += devices.environment.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        if let gang = task.gang { values += Self.rendezvous(gang) }
        let placeholders = Placeholders(point: task.point, task: task.attempt.task)
        values += template.spec.env.sorted { $0.key < $1.key }.map {
            ($0.key, placeholders.expand($0.value))
        }
        values += secrets.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        values += own(for: task, places)
        var last: [String: Int] = [:]
        for (place, value) in values.enumerated() { last[value.0] = place }
        return values.enumerated().filter { last[$0.element.0] == $0.offset }.map {
            "\($0.element.0)=\($0.element.1)"
        }
    }

    private func own(for task: RunTask, _ places: Places) -> [(String, String)] {
        let (job, index) = (task.attempt.task.job, task.attempt.task.index)
        var own: [(String, String)] = [
            ("MARTLET_JOB_ID", "\(job)"), ("MARTLET_TASK_INDEX", "\(index)"),
            ("MARTLET_TASK_COUNT", "\(template.taskCount)"),
            ("MARTLET_ATTEMPT", "\(task.attempt.number)"),
            ("MARTLET_PARAMS", task.point.json), ("MARTLET_RESULTS", places.results),
            ("MARTLET_METRICS", places.results + "/metrics.jsonl"),
            ("MARTLET_CHECKPOINT", places.checkpoint),
            ("MARTLET_CPUS", CPUList.text(task.placement.cpus)),
            ("MARTLET_NUMA_NODES", CPUList.text(task.placement.numaNodes)),
            ("MARTLET_GPUS", task.placement.gpus.joined(separator: ",")),
        ]
        own += task.point.parameters.map {
            ("MARTLET_PARAM_" + Self.variable($0.name), $0.value.description)
        }
        // So that scripts written for a Slurm job array run unchanged, sbatch(1).
        own += [
            ("SLURM_ARRAY_JOB_ID", "\(job)"), ("SLURM_ARRAY_TASK_ID", "\(index)"),
            ("SLURM_ARRAY_TASK_COUNT", "\(template.taskCount)"), ("SLURM_ARRAY_TASK_MIN", "0"),
            ("SLURM_ARRAY_TASK_MAX", "\(template.taskCount - 1)"),
        ]
        if let gang = task.gang { own += Self.own(gang) }
        return own
    }

    private static func own(_ gang: GangMember) -> [(String, String)] {
        [
            ("MARTLET_NODES", "\(gang.nodes.count)"), ("MARTLET_NODE_RANK", "\(gang.rank)"),
            ("MARTLET_NODE_LIST", gang.nodes.joined(separator: ",")),
            ("MARTLET_MASTER_ADDR", gang.nodes.first ?? ""),
            ("MARTLET_MASTER_PORT", "\(gang.port)"),
            // srun(1).
            ("SLURM_NNODES", "\(gang.nodes.count)"), ("SLURM_NODEID", "\(gang.rank)"),
        ]
    }

    /// As torch.distributed's `env://` and torchrun's options have them; a spec may say otherwise.
    private static func rendezvous(_ gang: GangMember) -> [(String, String)] {
        [
            ("MASTER_ADDR", gang.nodes.first ?? ""), ("MASTER_PORT", "\(gang.port)"),
            ("NNODES", "\(gang.nodes.count)"), ("NODE_RANK", "\(gang.rank)"),
        ]
    }

    /// `learning-rate` → `LEARNING_RATE`.
    private static func variable(_ name: String) -> String {
        String(name.uppercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
    }
}

public import ContainerRuntime
internal import Glibc
public import JobModel
public import NodeLink
internal import OCISpec
internal import Topology

/// From what a person asked for to what the launcher carries out. Pure: secrets come in already read.
public struct TaskPlanner: Sendable {
    public let template: JobTemplate
    /// `NAME` → value.
    public let secrets: [String: String]

    public init(template: JobTemplate, secrets: [String: String]) {
        self.template = template
        self.secrets = secrets
    }

    /// Where a task's results lie inside its container. On the machine's own root it is the directory itself.
    public static let resultsPath = "/martlet/results"
    public static let checkpointPath = "/martlet/checkpoint"

    public func container(for task: RunTask, directories: TaskDirectories) -> ContainerSpec {
        let spec = template.spec
        let onHost: Bool
        let root: ContainerSpec.Root
        let image: ImageProcess
        switch template.root {
        case .host: (root, image, onHost) = (.host, ImageProcess(), true)
        case .layers(let layers, let process):
            (root, image, onHost) = (.layers(layers), process, false)
        }
        var container = ContainerSpec(root: root, arguments: arguments(for: task, image))
        container.readOnlyRoot = spec.readOnlyRoot
        container.keepUpper = !spec.collect.isEmpty && !onHost
        container.workingDirectory = workingDirectory(image)
        container.user = spec.user ?? image.user
        container.hostname = spec.hostname ?? "martlet"
        container.mounts = spec.mounts.map { mount in
            ContainerSpec.Mount(
                mount.kind == .bind ? .bind : .tmpfs, source: mount.source,
                destination: mount.destination,
                readOnly: mount.readOnly, size: mount.size)
        }
        let results = onHost ? directories.results : Self.resultsPath
        container.mounts.append(
            ContainerSpec.Mount(source: directories.results, destination: results))
        var checkpoint: String?
        if let directory = directories.checkpoint {
            checkpoint = onHost ? directory : Self.checkpointPath
            container.mounts.append(
                ContainerSpec.Mount(source: directory, destination: checkpoint ?? directory))
        }
        container.shmSize = spec.resources.shm
        container.cpus = task.placement.cpus
        container.numaNodes = spec.resources.numa == .local ? task.placement.numaNodes : []
        container.memoryLimit = task.memory ?? spec.resources.memory
        container.pidsLimit = spec.resources.pids
        container.withInit = spec.`init`
        container.environment = environment(
            for: task, image, results: results, checkpoint: checkpoint)
        return container
    }

    public var stopRule: StopRule {
        StopRule(
            timeLimit: template.spec.limits.time, signal: template.spec.stop.signal,
            grace: template.spec.stop.grace)
    }

    private func workingDirectory(_ image: ImageProcess) -> String {
        if let directory = template.spec.workdir { return directory }
        return image.workingDirectory.isEmpty ? "/" : image.workingDirectory
    }

    /// As Docker: the spec's entry point replaces the image's and drops its command; a command replaces the image's command.
    private func arguments(for task: RunTask, _ image: ImageProcess) -> [String] {
        let spec = template.spec
        let placeholders = Placeholders(point: task.point, task: task.attempt.task)
        if let script = spec.script {
            let text = placeholders.expandScript(script)
            return Self.interpreter(of: text) + ["-c", text, spec.name]
        }
        let command = spec.command.map(placeholders.expand)
        if let entrypoint = spec.entrypoint { return entrypoint + command }
        return image.entrypoint + (command.isEmpty ? image.command : command)
    }

    /// `#!/bin/bash -e` → ["/bin/bash", "-e"]; without such a line, /bin/sh.
    private static func interpreter(of script: String) -> [String] {
        guard script.hasPrefix("#!"), let line = script.split(separator: "\n").first else {
            return ["/bin/sh"]
        }
        let words = line.dropFirst(2).split(whereSeparator: \.isWhitespace).map(String.init)
        return words.isEmpty ? ["/bin/sh"] : words
    }

    /// Later entries win: image, spec, secrets, and then what Martlet itself says.
    private func environment(
        for task: RunTask, _ image: ImageProcess, results: String, checkpoint: String?
    ) -> [String] {
        var values: [(String, String)] = image.environment.compactMap { entry in
            guard let equals = entry.firstIndex(of: "=") else { return nil }
            return (String(entry[..<equals]), String(entry[entry.index(after: equals)...]))
        }
        values += template.spec.env.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        values += secrets.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        values += own(for: task, results: results, checkpoint: checkpoint)
        var last: [String: Int] = [:]
        for (place, value) in values.enumerated() { last[value.0] = place }
        return values.enumerated().filter { last[$0.element.0] == $0.offset }.map {
            "\($0.element.0)=\($0.element.1)"
        }
    }

    private func own(for task: RunTask, results: String, checkpoint: String?) -> [(String, String)]
    {
        let (job, index) = (task.attempt.task.job, task.attempt.task.index)
        var own: [(String, String)] = [
            ("MARTLET_JOB_ID", "\(job)"), ("MARTLET_TASK_INDEX", "\(index)"),
            ("MARTLET_TASK_COUNT", "\(template.taskCount)"),
            ("MARTLET_ATTEMPT", "\(task.attempt.number)"),
            ("MARTLET_PARAMS", task.point.json), ("MARTLET_RESULTS", results),
            ("MARTLET_METRICS", results + "/metrics.jsonl"),
            ("MARTLET_CPUS", CPUList.text(task.placement.cpus)),
            ("MARTLET_NUMA_NODES", CPUList.text(task.placement.numaNodes)),
            ("MARTLET_GPUS", task.placement.gpus.joined(separator: ",")),
        ]
        if let checkpoint { own.append(("MARTLET_CHECKPOINT", checkpoint)) }
        own += task.point.parameters.map {
            ("MARTLET_PARAM_" + Self.variable($0.name), $0.value.description)
        }
        // So that scripts written for a Slurm job array run unchanged, sbatch(1).
        own += [
            ("SLURM_ARRAY_JOB_ID", "\(job)"), ("SLURM_ARRAY_TASK_ID", "\(index)"),
            ("SLURM_ARRAY_TASK_COUNT", "\(template.taskCount)"), ("SLURM_ARRAY_TASK_MIN", "0"),
            ("SLURM_ARRAY_TASK_MAX", "\(template.taskCount - 1)"),
        ]
        return own
    }

    /// `learning-rate` → `LEARNING_RATE`.
    private static func variable(_ name: String) -> String {
        String(name.uppercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
    }
}

/// Where one attempt's files lie on the node.
public struct TaskDirectories: Sendable, Hashable {
    public let task: String
    public let attempt: String
    /// Kept across attempts; nil where the job has no second one.
    public let checkpoint: String?

    public init(job directory: String, attempt id: AttemptID, keepsCheckpoint: Bool) {
        task = directory + "/tasks/\(id.task.index)"
        attempt = task + "/\(id.number)"
        checkpoint = keepsCheckpoint ? task + "/checkpoint" : nil
    }
    public var stdout: String { attempt + "/stdout" }
    public var stderr: String { attempt + "/stderr" }
    public var results: String { attempt + "/results" }
    public var exitRecord: String { attempt + "/exit.json" }
}

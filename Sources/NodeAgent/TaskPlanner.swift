public import ContainerRuntime
internal import Glibc
public import JobModel
public import NodeLink
internal import OCISpec
internal import Topology

/// From what a person asked for to what the launcher carries out. Pure: secrets and seccomp profiles come in already read.
public struct TaskPlanner: Sendable {
    public let template: JobTemplate
    /// `NAME` → value.
    public let secrets: [String: String]
    /// `Confinement.seccomp`.
    public let seccomp: ContainerSpec.Seccomp
    /// NUMA nodes from which tasks may have memory at all; empty means all of them.
    public var memoryNodes: [Int] = []

    public init(
        template: JobTemplate, secrets: [String: String],
        seccomp: ContainerSpec.Seccomp = .standard
    ) {
        self.template = template
        self.secrets = secrets
        self.seccomp = seccomp
    }

    /// Where an attempt's files are seen in its container; on the machine's own root, where they lie.
    struct Places {
        let results: String
        let checkpoint: String
        let script: String

        init(_ directories: TaskDirectories, onHost: Bool) {
            results = onHost ? directories.results : "/martlet/results"
            checkpoint = onHost ? directories.checkpoint : "/martlet/checkpoint"
            script = onHost ? directories.script : "/martlet/script"
        }
    }

    /// The text of the script where it has to be a file: an interpreter of its own takes one, not every one takes `-c`; and
    /// the kernel takes no argument longer than 128 KiB (execve(2), MAX_ARG_STRLEN).
    public func script(for task: RunTask) -> String? {
        guard let script = template.spec.script else { return nil }
        guard script.hasPrefix("#!") || script.utf8.count > 64 << 10 else { return nil }
        return Placeholders(point: task.point, task: task.attempt.task).expandScript(script)
    }

    public func container(
        for task: RunTask, directories: TaskDirectories, devices: DeviceGrant = DeviceGrant()
    ) -> ContainerSpec {
        let spec = template.spec
        let (root, image) = self.root
        let places = Places(directories, onHost: isOnHost)
        var container = ContainerSpec(
            root: root, arguments: arguments(for: task, image, scriptFile: places.script))
        container.readOnlyRoot = spec.readOnlyRoot
        container.seccomp = seccomp
        container.isPrivileged = spec.confinement == .privileged
        let source = CollectSource(template)
        if case .layer = source { container.keepUpper = !spec.collect.isEmpty }
        container.workingDirectory = workingDirectory(image)
        container.user = spec.user ?? image.user
        container.hostname = spec.hostname ?? "martlet"
        container.network = network
        container.mounts = mounts(directories, places, withScript: script(for: task) != nil, source)
        container.shmSize = spec.resources.shm
        container.cpus = task.placement.cpus
        container.memoryPolicy = memoryPolicy(task.placement)
        container.memoryNodes =
            spec.resources.numa == .strict ? task.placement.numaNodes : memoryNodes
        container.devices = devices.injection
        container.memoryLimit = task.memory ?? spec.resources.memory
        container.pidsLimit = spec.resources.pids
        let terminal = spec.interaction?.terminal
        // At a terminal PID 1 would be deaf to what is typed: Ctrl-C ends no process that does not ask for it there
        // (pid_namespaces(7)).
        container.withInit = spec.`init` || terminal != nil
        container.terminal = terminal.map(TerminalSize.init)
        container.environment = environment(for: task, image, places, devices)
        return container
    }

    private func memoryPolicy(_ placement: Placement) -> MemoryPolicy? {
        let nodes = placement.numaNodes
        guard !nodes.isEmpty else { return nil }
        switch template.spec.resources.numa {
        case .local: return MemoryPolicy(.preferredMany, nodes)
        case .strict: return MemoryPolicy(.bind, nodes)
        case .spread: return MemoryPolicy(.interleave, nodes)
        case .none: return nil
        }
    }

    var isOnHost: Bool { if case .host = template.root { true } else { false } }

    private var root: (ContainerSpec.Root, ImageProcess) {
        switch template.root {
        case .host: (.host, ImageProcess())
        case .layers(let layers, let process): (.layers(layers), process)
        }
    }

    private var network: ContainerSpec.Network {
        guard case .private(let ports) = template.spec.network else { return .host }
        return .private(
            ports.map {
                ContainerSpec.Port(
                    address: $0.address, hostPort: $0.hostPort, containerPort: $0.taskPort,
                    isUDP: $0.transport == .udp, variable: $0.variable)
            })
    }

    /// The spec's own, and then what Martlet adds.
    private func mounts(
        _ directories: TaskDirectories, _ places: Places, withScript: Bool, _ source: CollectSource
    ) -> [ContainerSpec.Mount] {
        let collects = !template.spec.collect.isEmpty
        var mounts = template.spec.mounts.enumerated().map { place, mount in
            let isCopied = !mount.readOnly && template.copies?.contains(place) == true
            let isKept = collects && source.isCopy(place)
            let kind: ContainerSpec.Mount.Kind =
                switch mount.kind {
                case .tmpfs: .tmpfs
                case .bind where isCopied: isKept ? .keptCopy : .privateCopy
                case .bind: .bind
                }
            return ContainerSpec.Mount(
                kind, source: mount.source, destination: mount.destination,
                readOnly: mount.readOnly, size: mount.size)
        }
        if !isOnHost {
            // Names are found as the machine finds them, on a private network too.
            for path in ["/etc/resolv.conf", "/etc/hosts"]
            where !mounts.contains(where: { $0.destination == path }) {
                mounts.append(.init(.hostFile, source: path, destination: path, readOnly: true))
            }
        }
        mounts.append(.init(source: directories.results, destination: places.results))
        mounts.append(.init(source: directories.checkpoint, destination: places.checkpoint))
        if withScript {
            mounts.append(
                .init(source: directories.script, destination: places.script, readOnly: true))
        }
        return mounts
    }

    public func stopRule(for task: RunTask) -> StopRule { Self.stopRule(for: task, of: template) }

    static func stopRule(for task: RunTask, of template: JobTemplate) -> StopRule {
        StopRule(
            timeLimit: task.time ?? template.spec.limits.time, signal: template.spec.stop.signal,
            grace: template.spec.stop.grace, before: template.spec.stop.before)
    }

    private func workingDirectory(_ image: ImageProcess) -> String {
        if let directory = template.spec.workdir { return directory }
        return image.workingDirectory.isEmpty ? "/" : image.workingDirectory
    }

    /// As Docker: the spec's entry point replaces the image's and drops its command; a command replaces the image's command.
    private func arguments(for task: RunTask, _ image: ImageProcess, scriptFile: String) -> [String]
    {
        let spec = template.spec
        if let text = script(for: task) { return Self.interpreter(of: text) + [scriptFile] }
        let placeholders = Placeholders(point: task.point, task: task.attempt.task)
        if let script = spec.script {
            return ["/bin/sh", "-c", placeholders.expandScript(script), spec.name]
        }
        let command = spec.command.map(placeholders.expand)
        if let entrypoint = spec.entrypoint {
            return entrypoint.map(placeholders.expand) + command
        }
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
}

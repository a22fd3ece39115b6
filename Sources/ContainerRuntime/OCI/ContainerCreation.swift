internal import CLinux
internal import Glibc
internal import LinuxSystem
package import OCIRuntimeSpec

/// Makes a container from a bundle, up to the point where it waits for `start` (runtime.md, "Lifecycle", steps 1 to 5).
/// What fails undoes what was done.
package struct ContainerCreation {
    /// How the container is told to start.
    package enum Hold: Sendable {
        /// By `start`, later, from another process.
        case socket
        /// By this process, on the status socket.
        case status
    }

    package let home: ContainerHome
    package private(set) var record: ContainerRecord
    package let spec: RuntimeSpec
    /// The child's status socket; -1 once it has been let go.
    package private(set) var status: Int32 = -1
    /// The near end of the terminal where there is one and nobody was sent it.
    package private(set) var terminal: Int32 = -1
    /// Leniencies, for the log.
    package private(set) var notes: [String] = []
    private let settings: BundleSettings
    private var cgroup: ContainerCgroup?
    private var resctrl: ResctrlGroup?

    package init(_ settings: BundleSettings, hold: Hold) throws {
        self.settings = settings
        let text = try Files.read(settings.config, limit: 1 << 24)
        spec = try RuntimeSpec(json: text, name: "config.json")
        try Self.checkTerminal(settings, spec, hold)
        home = try ContainerHome(root: settings.root, id: settings.id)
        let root = spec.root?.path ?? ""
        record = ContainerRecord(
            id: settings.id, ociVersion: spec.ociVersion, bundle: settings.bundle,
            root: root.hasPrefix("/") ? root : settings.bundle + "/" + root, created: Clock.now(),
            owner: geteuid(), annotations: spec.annotations)
        record.hasKeyring = settings.hasKeyring
        try home.make()
        do {
            try OwnedFD.write(text, to: home.configPath)
            try create(hold)
        } catch {
            undo()
            throw error
        }
    }

    /// A terminal needs somebody who holds its other end (runc and crun agree on the texts' substance).
    private static func checkTerminal(
        _ settings: BundleSettings, _ spec: RuntimeSpec, _ hold: Hold
    ) throws(SpecError) {
        let wants = spec.process?.terminal ?? false
        if wants, settings.consoleSocket == nil, case .socket = hold {
            throw BundlePlan.problem(
                "process.terminal",
                "a terminal needs --console-socket where nobody stays to show it")
        }
        if !wants, settings.consoleSocket != nil {
            throw BundlePlan.problem(
                "process.terminal", "--console-socket is given, and no terminal")
        }
    }

    private mutating func undo() {
        if status >= 0 { close(status) }
        if terminal >= 0 { close(terminal) }
        OwnChildren.end()
        // Best effort, after an error that matters more.
        try? cgroup?.remove()
        try? resctrl?.remove()
        home.remove()
    }

    // MARK: Steps

    private mutating func create(_ hold: Hold) throws {
        var host = BundleHost.detect()
        host.preserved = settings.preserved
        host.listening = settings.listening
        host.usesPivot = settings.usesPivot
        host.hasKeyring = settings.hasKeyring
        let places = placesOfCgroups()
        let made = try ContainerCgroup.make(
            CgroupRequest(
                id: settings.id, manager: settings.manager, path: spec.linux.cgroupsPath,
                resources: spec.linux.resources, isRootless: !host.isRoot), on: places)
        cgroup = made
        notes += made.notes
        record.cgroup = made.record
        let plan = try BundlePlan(
            spec, bundle: settings.bundle, host: host,
            cgroupMounts: made.mountedHierarchies(on: places), state: record.state(.creating),
            cgroups: made.directoriesToJoin, waitsForCgroup: made.pending != nil,
            filter: try spec.linux.seccomp.map { try home.filter(for: $0) })
        notes += plan.notes
        if let spec = spec.linux.intelRdt {
            let group = try ResctrlGroup.make(spec, id: settings.id)
            resctrl = group
            record.resctrl = group.record
        }
        try clone(plan, hold, made)
        try resctrl?.admit(record.pid)
        try attend(plan, host)
        if case .socket = hold {
            close(status)
            status = -1
        }
        guard let start = ProcessStat(record.pid)?.startTime else {
            throw SystemError("create", settings.id, errno: ESRCH, hint: "its process has ended")
        }
        record.startTime = start
        try home.write(record)
        if let file = settings.pidFile {
            try Files.writeAtomically(file, "\(record.pid)".utf8, durable: false)
        }
    }

    /// Looked for only where the container is to have or to see some: finding them is reading.
    private func placesOfCgroups() -> CgroupHost {
        let isSeen = spec.mounts.contains { $0.type == "cgroup" || $0.type == "cgroup2" }
        return isSeen || settings.manager != .disabled ? .detect() : CgroupHost()
    }

    private mutating func clone(_ plan: BundlePlan, _ hold: Hold, _ cgroup: ContainerCgroup)
        throws(SystemError)
    {
        var taken: [Int: Int32] = [:]
        defer { for fd in taken.values { close(fd) } }
        for tree in plan.mappedTrees { taken[tree.slot] = try tree.make().release() }
        var listener: Int32 = -1
        if case .socket = hold {
            listener = try UnixSocket.listen(anywhere: home.startPath, .messages).release()
        }
        defer { if listener >= 0 { close(listener) } }
        let group = try cgroup.openForClone() ?? -1
        defer { if group >= 0 { close(group) } }
        // Bare numbers: on the child's path nothing returns, and an owner would be closed after its last mention.
        let (near, far) = try UnixSocket.pair(.messages).release()
        status = near
        defer { close(far) }
        record.pid = try BundleClone(
            plan: plan, childStatus: far, parentStatus: near, startListener: listener,
            taken: taken, cgroup: group
        ).clone()
    }

    // MARK: The child's words

    /// Until it is created; serves it at each milestone.
    private mutating func attend(_ plan: BundlePlan, _ host: BundleHost) throws {
        var buffer = [UInt8](repeating: 0, count: ContainerChild.longestMessage)
        while true {
            guard let (count, descriptors) = try UnixSocket.receive(status, into: &buffer),
                count > 0
            else {
                throw SystemError(
                    "create", settings.id, errno: ECHILD, hint: "its first process was killed")
            }
            switch buffer[0] {
            case ContainerChild.Told.failure:
                let failure = ContainerChild.decode(buffer[1..<count])
                throw SystemError(failure.step, failure.subject, errno: failure.errno)
            case ContainerChild.Told.terminal:
                terminal = try Terminals.handOver(descriptors, settings.consoleSocket)
            case ContainerChild.Told.listener:
                try home.handOver(descriptors, record.state(.creating), spec)
            case ContainerChild.Told.arrived:
                guard let milestone = ProcessStep.Milestone(rawValue: buffer[1]) else { continue }
                if milestone == .created { return }
                try serve(milestone)
                _ = try UnixSocket.send(status, [1])
            default: for fd in descriptors { close(fd) }
            }
        }
    }

    private mutating func serve(_ milestone: ProcessStep.Milestone) throws {
        switch milestone {
        case .cloned:
            let linux = spec.linux
            if spec.linux.namespaces.contains(where: { $0.kind == .user && $0.path == nil }) {
                try IDMaps.write(record.pid, uids: linux.uidMappings, gids: linux.gidMappings)
            }
            if cgroup?.pending != nil {
                try cgroup?.admit(record.pid, isCloned: false)
                record.cgroup = cgroup?.record ?? [:]
            }
        case .namespaces:
            try runHooks(spec.hooks.prestart, "hooks.prestart")
            try runHooks(spec.hooks.createRuntime, "hooks.createRuntime")
        case .created: break
        }
    }

    private func runHooks(_ hooks: [HookSpec], _ field: String) throws(SystemError) {
        try ContainerChild.run(
            hooks, field: field, state: record.state(.creating), pid: record.pid)
    }
}

extension OwnedFD {
    /// A small file of one's own, made anew.
    static func write(_ bytes: [UInt8], to path: String) throws(SystemError) {
        let file = try OwnedFD.open(path, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
        try Files.writeAll(file.raw, bytes, path)
    }
}

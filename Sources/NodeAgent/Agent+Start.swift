internal import ContainerRuntime
internal import FoundationEssentials
internal import Glibc
internal import JobModel
internal import LinuxSystem
internal import NodeLink

extension Agent {
    enum StartOutcome {
        case handedOver
        /// It cannot run; its record has been reported.
        case refused
        /// It stays queued: the disk is full, or too many files are open, or the launcher's queue is full, or it has gone.
        case later
    }

    /// Makes the task's files and hands it to the launcher, or lets it go that is there already.
    func start(_ task: RunTask) -> StartOutcome {
        let id = task.attempt
        if release(task) { return .handedOver }
        guard let launcher else { return .later }
        do throws(SystemError) {
            guard let template = templates.find(id.task.job) else {
                throw SystemError(
                    "start", "\(id)", errno: EINVAL, hint: "its job was not announced")
            }
            let (spec, rule, outputs) = try make(task, template)
            defer { for output in outputs { close(output) } }
            guard let interaction = template.spec.interaction else {
                return handOver(task, spec, rule, launcher, outputs)
            }
            return try handOver(task, spec, rule, launcher, outputs, interaction)
        } catch {
            return putOff(id, error)
        }
    }

    /// What the launcher needs for it; stdout and stderr are the caller's to close.
    func make(_ task: RunTask, _ template: JobTemplate) throws(SystemError) -> (
        ContainerSpec, StopRule, outputs: [Int32]
    ) {
        try Self.checkPrivilege(template.spec.confinement)
        let directories = TaskDirectories(job: template.directory, attempt: task.attempt)
        var planner = TaskPlanner(
            template: template, secrets: try Self.secrets(of: template),
            seccomp: try templates.seccomp(of: template))
        planner.memoryNodes = devices.topology.memoryNodesOfProcessors
        let spec = planner.container(
            for: task, directories: directories,
            devices: try devices.grant(task.placement.gpus, isOnHost: planner.isOnHost))
        try StartSize.check(spec)
        let (stdout, stderr) = try taskFiles.make(
            directories, script: planner.script(for: task), user: spec.user)
        return (spec, planner.stopRule(for: task), [stdout, stderr])
    }

    /// As the head told them, or lacking that as they lie here.
    private static func secrets(of template: JobTemplate) throws(SystemError) -> [String: String] {
        if let secrets = template.secrets { return secrets }
        return try Secrets.read(template.spec.secrets)
    }

    private static func checkPrivilege(_ confinement: Confinement) throws(SystemError) {
        guard confinement == .privileged, geteuid() != 0 else { return }
        throw SystemError(
            "start", "privileged", errno: EPERM,
            hint:
                "privileged tasks are root's alone, and on this node they would be those of uid \(geteuid())"
        )
    }

    /// A shortage passes, and is not the task's fault.
    private func putOff(_ id: AttemptID, _ error: SystemError) -> StartOutcome {
        guard error.isShortage else {
            refuse(id, error)
            return .refused
        }
        runsShort(error)
        return .later
    }

    /// One that somebody is to sit at: its outputs come here, and go into its logs from here.
    private func handOver(
        _ task: RunTask, _ spec: ContainerSpec, _ rule: StopRule, _ launcher: LauncherClient,
        _ outputs: [Int32], _ interaction: Interaction
    ) throws(SystemError) -> StartOutcome {
        guard interaction.terminal == nil else {
            let outcome = handOver(task, spec, rule, launcher, outputs)
            if outcome == .handedOver { awaitAttendance(task.attempt, nil, logs: []) }
            return outcome
        }
        let pipes = try ProcessPipes(stdin: interaction.stdin)
        defer { pipes.closeFar() }
        let outcome = handOver(
            task, spec, rule, launcher, Array(pipes.far[1...]), stdin: pipes.far[0])
        guard outcome == .handedOver else {
            pipes.closeNear()
            return outcome
        }
        awaitAttendance(task.attempt, pipes, logs: outputs.map { dup($0) })
        return outcome
    }

    private func handOver(
        _ task: RunTask, _ spec: ContainerSpec, _ rule: StopRule, _ launcher: LauncherClient,
        _ outputs: [Int32], stdin: Int32? = nil
    ) -> StartOutcome {
        let id = task.attempt
        do throws(SystemError) {
            guard
                try launcher.start(
                    id: id.description, spec, rule, stdout: outputs[0], stderr: outputs[1],
                    stdin: stdin)
            else {
                awaitRoom()
                return .later
            }
        } catch {
            // Not delivered, so never started. The reading side sees that the launcher died.
            guard [EPIPE, ECONNRESET, ENOTCONN].contains(error.errno) else {
                return putOff(id, error)
            }
            return .later
        }
        handedOver(id)
        return .handedOver
    }

    func handedOver(_ id: AttemptID) {
        live[id]?.phase = .withLauncher
        live[id]?.isOurs = true
        occupy(id)
    }

    private func refuse(_ id: AttemptID, _ error: SystemError) {
        let subject = error.subject + (error.hint.map { " (\($0))" } ?? "")
        report(
            ExitRecord(
                attempt: id,
                status: .startFailure(step: error.step, subject: subject, errno: error.errno),
                ended: Timestamp(milliseconds: Clock.now())))
    }
}

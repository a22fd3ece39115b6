internal import ContainerRuntime
internal import Glibc
internal import JobModel
internal import LinuxSystem
internal import NodeLink

/// The next task of each set of CPUs is set up while the one before it runs, so that it begins as soon as that ends. The head
/// sends ahead what is short enough for that to be felt (`JobRecord.laneDepth`).
extension Agent {
    /// What a launcher has to know for this.
    private static let preparingSkill: UInt8 = 2

    /// Whatever fails here is met again, and told, when the task is started.
    func prepareNext() {
        guard let launcher, launcherSkills >= Self.preparingSkill, holds.isEmpty, !isShuttingDown
        else { return }
        let every = inventory.cpuCount
        var claimed: Set<Int> = []
        for task in queue {
            // All CPUs are spoken for.
            guard claimed.count < every else { return }
            let cpus = task.placement.cpus
            let isFirst = claimed.isDisjoint(with: cpus)
            claimed.formUnion(cpus)
            guard isFirst, !cpus.isEmpty, !prepared.contains(where: { $0.attempt == task.attempt }),
                let template = templates.find(task.attempt.task.job), Self.canWait(task, template),
                let (spec, rule, outputs) = try? make(task, template)
            else { continue }
            defer { for output in outputs { close(output) } }
            let isSent = try? launcher.prepare(
                id: task.attempt.description, spec, rule, stdout: outputs[0], stderr: outputs[1])
            guard isSent == true else { return awaitRoom() }
            prepared.append(task)
        }
    }

    /// Not where something would be taken too early: ports, devices, a terminal, what another task may write to.
    private static func canWait(_ task: RunTask, _ template: JobTemplate) -> Bool {
        let spec = template.spec
        guard spec.interaction == nil, spec.network == .host, spec.confinement != .privileged,
            task.placement.gpus.isEmpty, task.gang == nil
        else { return false }
        return template.copies?.isEmpty ?? true
    }

    /// Lets those go whose CPUs are free now: before anything else is done for the one that has ended.
    func releaseNext() {
        guard holds.isEmpty, launcherEpoch != nil, !isStartingAnew else { return }
        for task in prepared where busyCPUs.isDisjoint(with: task.placement.cpus) {
            guard hasMemory(for: task), release(task) else { continue }
            queue.removeAll { $0.attempt == task.attempt }
        }
    }

    /// False where it was not prepared.
    func release(_ task: RunTask) -> Bool {
        guard let place = prepared.firstIndex(where: { $0.attempt == task.attempt }) else {
            return false
        }
        prepared.remove(at: place)
        // Its job may have been told anew with another limit.
        guard let template = templates.find(task.attempt.task.job) else { return false }
        let rule = TaskPlanner.stopRule(for: task, of: template)
        withLauncher { launcher throws(SystemError) in
            try launcher.release(id: task.attempt.description, rule)
        }
        handedOver(task.attempt)
        return true
    }

    /// Takes these back from the launcher, and from the disk.
    func discardPrepared(_ isUnwanted: (AttemptID) -> Bool) {
        for task in prepared where isUnwanted(task.attempt) {
            withLauncher { launcher throws(SystemError) in
                try launcher.discard(id: task.attempt.description)
            }
            guard let template = templates.find(task.attempt.task.job) else { continue }
            TaskFiles.remove(TaskDirectories(job: template.directory, attempt: task.attempt))
        }
        prepared.removeAll { isUnwanted($0.attempt) }
    }
}

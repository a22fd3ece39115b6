internal import ContainerRuntime
internal import JobModel
internal import LinuxSystem
internal import NodeLink

/// What changes of the time of tasks that run. A launcher of an older version is not told: it would take it for another's.
extension Agent {
    func pause(_ attempts: [AttemptID]) {
        for id in running(attempts) {
            withLauncher { launcher throws(SystemError) in try launcher.pause(id: id.description) }
        }
    }

    func resume(_ attempts: [AttemptID]) {
        for id in running(attempts) {
            withLauncher { launcher throws(SystemError) in try launcher.resume(id: id.description) }
        }
    }

    private func running(_ attempts: [AttemptID]) -> [AttemptID] {
        attempts.filter { live[$0]?.phase == .withLauncher && launcherSkills > 0 }
    }

    /// The head knows how long it may run, as it did not when it was started. The first word stands: what it was warned of holds.
    func learnTime(of task: RunTask) {
        guard let time = task.time, live[task.attempt]?.task?.time == nil else { return }
        live[task.attempt]?.task?.time = time
        tellLimit(of: task.attempt)
    }

    /// Its job may have been told with another limit than it was started with.
    func tellLimit(of id: AttemptID) {
        guard launcherSkills > 0, let attempt = live[id], attempt.phase == .withLauncher,
            let task = attempt.task, let template = templates.find(id.task.job)
        else { return }
        let limit = task.time ?? template.spec.limits.time
        withLauncher { launcher throws(SystemError) in
            try launcher.limit(id: id.description, limit)
        }
    }
}

internal import ContainerRuntime
internal import FoundationEssentials
internal import Glibc
internal import JobModel
internal import LinuxSystem
internal import NodeLink

/// From the launcher's exit to the record that the head keeps: metrics, what the output says, exit.json.
struct TaskFinisher {
    let template: JobTemplate
    let attempt: AttemptID

    var directories: TaskDirectories {
        TaskDirectories(job: template.directory, attempt: attempt, keepsCheckpoint: false)
    }

    /// Takes `upper`. Nil where nothing is to be collected.
    func collection(_ exit: ContainerExit, upper: Int32?) -> Collection? {
        let layer = upper.map { OwnedFD($0) }
        if case .startFailure = exit.status { return nil }
        guard !template.spec.collect.isEmpty else { return nil }
        return Collection(self, exit, layer)
    }

    /// Last of all, when the results lie where they belong.
    func finish(_ exit: ContainerExit) -> ExitRecord {
        var record = Self.record(exit, attempt)
        record.metrics = MetricsFile.lastValues(in: directories.results)
        if exit.status != .code(0) {
            record.matchedLogCauses = OutputTail.matchedCauses(template.spec.retry, directories)
        }
        write(record)
        return record
    }

    static func record(_ exit: ContainerExit, _ attempt: AttemptID) -> ExitRecord {
        let status: ExitStatus =
            switch exit.status {
            case .code(let code): .code(code)
            case .signal(let signal): .signal(signal)
            case .startFailure(let step, let subject, let errno):
                .startFailure(step: step, subject: subject, errno: errno)
            }
        var record = ExitRecord(
            attempt: attempt, status: status, ended: Timestamp(milliseconds: exit.ended))
        record.started = Timestamp(milliseconds: exit.started)
        record.timedOut = exit.timedOut
        record.cancelled = exit.stopped
        record.outOfMemory = exit.outOfMemory
        record.userMicroseconds = exit.userMicroseconds
        record.systemMicroseconds = exit.systemMicroseconds
        record.peakMemory = exit.peakMemory
        record.enforcement = Enforcement(
            cpu: exit.enforcement.cpu, memory: exit.enforcement.memory, pids: exit.enforcement.pids)
        return record
    }

    private func write(_ record: ExitRecord) {
        // For people and scripts alone: the head keeps the record in its database. So neither failure is one of the task.
        guard let json = try? JSONEncoder().encode(record) else { return }
        try? Files.writeAtomically(directories.exitRecord, json + [10], durable: false)
    }
}

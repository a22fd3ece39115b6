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
        TaskDirectories(job: template.directory, attempt: attempt)
    }

    /// Takes `upper`. Nil where nothing is to be collected.
    func collection(_ exit: ContainerExit, upper: Int32?) -> Collection? {
        let layer = upper.map { OwnedFD($0) }
        if case .startFailure = exit.status { return nil }
        guard !template.spec.collect.isEmpty else { return nil }
        return Collection(self, exit, layer)
    }

    /// What a former agent made of this same exit, where it came so far. The times tell it from that of another database
    /// whose jobs had the same numbers.
    func formerRecord(of exit: ContainerExit) -> ExitRecord? {
        guard let json = try? Files.read(directories.exitRecord),
            let record = try? JSONDecoder().decode(ExitRecord.self, from: Data(json)),
            record.attempt == attempt, record.started?.milliseconds == exit.started,
            record.ended == Self.record(exit, attempt).ended
        else { return nil }
        // The file lies where the task's user can reach it: it may lose a success, and never make one.
        if case .lost = record.status { return record }
        return record.status == ExitStatus(exit.status) ? record : nil
    }

    /// Whether the files to be brought back lie in the container's writable layer.
    var collectsFromLayer: Bool {
        guard !template.spec.collect.isEmpty else { return false }
        switch CollectSource(template) {
        case .layer, .copy: return true
        case .machine, .nothing: return false
        }
    }

    /// The exit is known, and its writable layer went with a launcher: without the files it is no success.
    func finishWithoutLayer(_ exit: ContainerExit, hasFiles: Bool) -> ExitRecord {
        finish(
            exit, as: .lost("the files to collect went with the launcher"), hasFiles: hasFiles)
    }

    /// Last of all, when the results lie where they belong.
    /// - Parameter hasFiles: the head has to fetch something; what, is told with the record when it is sent.
    func finish(_ exit: ContainerExit, as status: ExitStatus? = nil, hasFiles: Bool) -> ExitRecord {
        var record = Self.record(exit, attempt)
        if hasFiles { record.files = AttemptFiles() }
        if let status { record.status = status }
        record.metrics = TaskMetrics.values(of: template.spec.metrics, directories)
        if exit.status != .code(0) {
            record.matchedLogCauses = OutputTail.matchedCauses(template.spec.retry, directories)
        }
        write(record)
        return record
    }

    static func record(_ exit: ContainerExit, _ attempt: AttemptID) -> ExitRecord {
        var record = ExitRecord(
            attempt: attempt, status: ExitStatus(exit.status),
            // Launchers of older versions read the wall clock twice, and somebody may have set it back meanwhile.
            ended: Timestamp(milliseconds: max(exit.started, exit.ended)))
        record.started = Timestamp(milliseconds: exit.started)
        record.timedOut = exit.timedOut
        record.cancelled = exit.stopped
        record.outOfMemory = exit.outOfMemory
        record.userMicroseconds = exit.userMicroseconds
        record.systemMicroseconds = exit.systemMicroseconds
        record.peakMemory = exit.peakMemory
        record.enforcement = Enforcement(exit.enforcement)
        return record
    }

    private func write(_ record: ExitRecord) {
        // For people and scripts alone: the head keeps the record in its database. So neither failure is one of the task.
        guard let json = try? JSONEncoder().encode(record) else { return }
        // Nobody else writes here, so the name of the new file need not be unique.
        let new = directories.exitRecord + ".new"
        do throws(SystemError) {
            let file = try OwnedFD.open(new, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW)
            try Files.writeAll(file.raw, json + [10], new)
            try checkErrno(rename(new, directories.exitRecord), "rename", new)
        } catch { unlink(new) }
    }
}

extension Enforcement {
    init(_ reached: EnforcementReached) {
        self.init(cpu: reached.cpu, memory: reached.memory, pids: reached.pids)
        cpuBinding = reached.cpuBinding
        memoryBinding = reached.memoryBinding
        memoryPolicy = reached.memoryPolicy
    }
}

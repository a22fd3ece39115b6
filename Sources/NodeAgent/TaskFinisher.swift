internal import ContainerRuntime
internal import FoundationEssentials
internal import Glibc
internal import JobModel
internal import LinuxSystem
internal import NodeLink
internal import OCISpec

/// From the launcher's exit to the record that the head keeps: metrics, collected files, what the output says.
struct TaskFinisher {
    let template: JobTemplate

    func finish(_ exit: ContainerExit, _ attempt: AttemptID, upper: Int32?) -> ExitRecord {
        let directories = TaskDirectories(
            job: template.directory, attempt: attempt, keepsCheckpoint: false)
        var record = Self.record(exit, attempt)
        record.metrics = MetricsFile.lastValues(in: directories.results)
        if let upper { collect(upper, into: directories.results) }
        if exit.status != .code(0) { record.matchedLogCauses = matchedCauses(directories) }
        write(record, directories.exitRecord)
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

    private func collect(_ upper: Int32, into results: String) {
        let workdir: String =
            if let own = template.spec.workdir {
                own
            } else if case .layers(_, let image) = template.root { image.workingDirectory } else {
                "/"
            }
        let collector = Collector(
            patterns: template.spec.collect, workingDirectory: workdir, destination: results)
        do throws(SystemError) {
            try collector.collect(from: upper)
        } catch {
            // Told where the person looks for the files.
            try? Files.writeAtomically(
                results + "/collect.error", "\(error)\n".utf8, durable: false)
        }
    }

    /// Which `log` causes are found at the end of either output, as indexes into the policy.
    private func matchedCauses(_ directories: TaskDirectories) -> [Int] {
        let causes = template.spec.retry.on.enumerated().compactMap { place, cause in
            if case .log(let pattern) = cause { (place, pattern) } else { nil }
        }
        guard !causes.isEmpty else { return [] }
        let text = [directories.stdout, directories.stderr].map(Self.tail).joined(separator: "\n")
        return causes.filter { Self.matches($0.1, text) }.map(\.0)
    }

    private static func tail(_ path: String) -> String {
        let limit = 1 << 18
        guard let file = try? OwnedFD.open(path, O_RDONLY | O_NOFOLLOW) else { return "" }
        let size = lseek(file.raw, 0, SEEK_END)
        lseek(file.raw, max(0, size - limit), SEEK_SET)
        // An unreadable log matches nothing.
        return String(
            decoding: (try? Files.read(file.raw, path, limit: limit + 1)) ?? [], as: UTF8.self)
    }

    /// POSIX extended, regex(7); a line at a time.
    private static func matches(_ pattern: String, _ text: String) -> Bool {
        var expression = regex_t()
        guard regcomp(&expression, pattern, REG_EXTENDED | REG_NOSUB | REG_NEWLINE) == 0 else {
            return false
        }
        defer { regfree(&expression) }
        return regexec(&expression, text, 0, nil, 0) == 0
    }

    private func write(_ record: ExitRecord, _ path: String) {
        // For people and scripts alone: the head keeps the record in its database.
        guard let json = try? JSONEncoder().encode(record) else { return }
        try? Files.writeAtomically(path, json + [10], durable: false)
    }
}

internal import JobModel
internal import LinuxSystem
internal import Scheduling

/// Why an attempt did not succeed, in a sentence for people.
enum EndReason {
    /// - Parameter memory: bytes that the attempt might use.
    static func text(
        _ record: ExitRecord, _ outcome: TaskState, spec: JobSpec?, memory: Int64?
    ) -> String? {
        if outcome == .succeeded { return nil }
        if let stopped = record.stopped { return stopped }
        if record.cancelled { return outcome == .cancelled ? "cancelled" : "the node stopped it" }
        if record.status == .neverStarted { return outcome == .cancelled ? "cancelled" : nil }
        let cause = cause(record, spec, memory)
        guard outcome == .queued else { return cause }
        return "attempt \(record.attempt.number): \(cause); it is tried again"
    }

    /// What could not be brought from its node.
    static func missing(_ record: ExitRecord) -> String? {
        guard let missing = record.missingFiles, let first = missing.first else { return nil }
        return "not brought from its node: \(first)"
            + (missing.count > 1 ? " and \(missing.count - 1) files more (exit.json)" : "")
    }

    private static func cause(_ record: ExitRecord, _ spec: JobSpec?, _ memory: Int64?)
        -> String
    {
        if record.timedOut {
            guard let limit = record.timeLimit ?? spec?.limits.time else {
                return "stopped after its time limit"
            }
            let rule = spec?.limits.time == nil ? spec?.limits.timeOverMedian : nil
            return "stopped after its time limit of \(TimeText.text(limit))"
                + (rule.map { ", \($0.formatted) x the median" } ?? "")
        }
        if record.outOfMemory {
            return "ran out of memory: it reached its limit"
                + (memory.map { " of \(ByteText.text($0))" } ?? "")
        }
        switch record.status {
        case .code(let code): return "exit code \(code)"
        case .signal(let signal): return "killed by signal \(signal)"
        case .startFailure(let step, let subject, let errno):
            let what = subject.isEmpty ? step : "\(step) \(subject)"
            return "could not be started: \(what): \(SystemError.text(errno))"
        case .lost(let why): return "lost: \(why)"
        case .neverStarted: return "never started"
        }
    }
}

extension Double {
    /// `3`, `2.5`.
    fileprivate var formatted: String { self == rounded() ? "\(Int64(self))" : "\(self)" }
}

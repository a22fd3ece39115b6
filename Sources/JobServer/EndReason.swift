internal import JobModel
internal import LinuxSystem
internal import Scheduling

/// Why an attempt did not succeed, in a sentence for people.
enum EndReason {
    static func text(
        _ record: ExitRecord, _ outcome: TaskState, spec: JobSpec?, budget: TaskBudget
    ) -> String? {
        if outcome == .succeeded { return nil }
        if record.cancelled { return outcome == .cancelled ? "cancelled" : "the node stopped it" }
        if record.status == .neverStarted { return outcome == .cancelled ? "cancelled" : nil }
        let cause = cause(record, spec)
        guard outcome == .queued else { return cause }
        return "attempt \(record.attempt.number): \(cause); it is tried again"
    }

    private static func cause(_ record: ExitRecord, _ spec: JobSpec?) -> String {
        if record.timedOut {
            return spec?.limits.time.map { "stopped after its time limit of \(duration($0))" }
                ?? "stopped after its time limit"
        }
        if record.outOfMemory { return outOfMemory(record, spec) }
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

    private static func outOfMemory(_ record: ExitRecord, _ spec: JobSpec?) -> String {
        let limit = spec?.resources.memory.map { " of \(ByteText.text($0))" } ?? ""
        return "ran out of memory: it reached its limit" + limit
    }

    /// `1 s`, `90 s`, `2 h`: in the largest unit that divides it.
    private static func duration(_ milliseconds: Int64) -> String {
        for (size, unit) in [(3_600_000, "h"), (60_000, "min"), (1000, "s")] as [(Int64, String)]
        where milliseconds % size == 0 {
            return "\(milliseconds / size) \(unit)"
        }
        return "\(milliseconds) ms"
    }
}

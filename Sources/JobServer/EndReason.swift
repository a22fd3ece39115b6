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
            return spec?.limits.time.map { "stopped after its time limit of \(duration($0))" }
                ?? "stopped after its time limit"
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

    /// `1 s`, `90 s`, `2 h`: in the largest unit that divides it.
    private static func duration(_ milliseconds: Int64) -> String {
        for (size, unit) in [(3_600_000, "h"), (60_000, "min"), (1000, "s")] as [(Int64, String)]
        where milliseconds % size == 0 {
            return "\(milliseconds / size) \(unit)"
        }
        return "\(milliseconds) ms"
    }
}

import JobModel

/// What follows from the end of an attempt.
enum Verdict: Hashable {
    case final(TaskState)
    /// It failed, and is tried again after `delay` milliseconds, with this much memory where it was raised.
    case retry(delay: Int64, memory: Int64?)
    /// It never ran, or was ended by nobody's wish: queued again, and not counted.
    case requeue

    /// - Parameters:
    ///   - failures: of earlier attempts since the task was last queued by a person.
    ///   - memory: bytes that the attempt might use; nil means no limit.
    init(
        _ record: ExitRecord, policy: RetryPolicy, failures: Int, memory: Int64?,
        cancelRequested: Bool
    ) {
        if record.status == .neverStarted || record.cancelled {
            self = cancelRequested ? .final(.cancelled) : .requeue
            return
        }
        if record.status == .code(0), !record.timedOut {
            self = .final(.succeeded)
            return
        }
        var state = TaskState.failed
        if case .lost = record.status { state = cancelRequested ? .cancelled : .lost }
        guard !cancelRequested, failures + 1 < policy.attempts,
            policy.on.indices.contains(where: { Self.applies(policy.on[$0], at: $0, record) })
        else {
            self = .final(state)
            return
        }
        self = .retry(
            delay: policy.backoff.delay(before: failures + 2),
            memory: Self.nextMemory(record, policy, memory))
    }

    private static func applies(_ cause: RetryPolicy.Cause, at place: Int, _ record: ExitRecord)
        -> Bool
    {
        var isLost = false
        if case .lost = record.status { isLost = true }
        return switch cause {
        case .nodeLost: isLost
        case .failed: !isLost
        case .outOfMemory: record.outOfMemory
        case .timeout: record.timedOut
        case .exit(let code): record.status == .code(code)
        case .signal(let signal): record.status == .signal(signal)
        case .log: record.matchedLogCauses.contains(place)
        }
    }

    private static func nextMemory(_ record: ExitRecord, _ policy: RetryPolicy, _ memory: Int64?)
        -> Int64?
    {
        guard record.outOfMemory, policy.memoryFactor > 1, let memory else { return nil }
        return Int64(min(Double(memory) * policy.memoryFactor, 0x1p62))
    }
}

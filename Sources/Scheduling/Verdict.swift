import JobModel

/// What follows from the end of an attempt.
enum Verdict: Hashable {
    case final(TaskState)
    /// It failed, and is tried again.
    case retry(Retry)
    /// It never ran, or was ended by nobody's wish: queued again, and not counted.
    case requeue

    struct Retry: Hashable {
        /// Milliseconds.
        var delay: Int64
        /// Bytes and milliseconds, where they were raised.
        var memory: Int64?
        var time: Int64?
        /// It went with its node, which is not counted.
        var isLoss: Bool
    }

    /// What the attempt had, and those before it had used up since the task was last queued by a person.
    struct Past {
        var failures = 0
        var losses = 0
        /// Bytes and milliseconds that the attempt might use; nil means no limit.
        var memory: Int64?
        var time: Int64?
    }

    init(_ record: ExitRecord, policy: RetryPolicy, past: Past, cancelRequested: Bool) {
        if record.stopped != nil {
            self = .final(.stopped)
            return
        }
        if record.status == .neverStarted || record.cancelled {
            self = cancelRequested ? .final(.cancelled) : .requeue
            return
        }
        if record.status == .code(0), !record.timedOut {
            self = .final(.succeeded)
            return
        }
        let isLoss = record.isLost
        let isLeft =
            isLoss
            ? policy.attempts > 1 && past.losses < RetryPolicy.mostLosses
            : past.failures + 1 < policy.attempts
        guard !cancelRequested, isLeft, policy.applies(to: record, policy.on.indices) else {
            self = .final(isLoss ? (cancelRequested ? .cancelled : .lost) : .failed)
            return
        }
        self = .retry(
            Retry(
                delay: policy.backoff.delay(
                    before: past.failures + past.losses + 2, of: record.attempt.task),
                memory: record.outOfMemory
                    ? Self.grown(past.memory, by: policy.memoryFactor) : nil,
                time: record.timedOut ? Self.grown(past.time, by: policy.timeFactor) : nil,
                isLoss: isLoss))
    }

    private static func grown(_ amount: Int64?, by factor: Double) -> Int64? {
        guard factor > 1, let amount else { return nil }
        return Int64(min(Double(amount) * factor, 0x1p62))
    }
}

extension RetryPolicy {
    /// Whether the node on which an attempt ended so is to be left out.
    func excludesNode(for record: ExitRecord) -> Bool {
        !excludeNode.isEmpty && applies(to: record, on.count..<causes.count)
    }

    /// - Parameter places: those of `causes` that are asked about.
    fileprivate func applies(to record: ExitRecord, _ places: Range<Int>) -> Bool {
        let causes = causes
        return places.contains { place in
            switch causes[place] {
            case .nodeLost: record.isLost
            case .failed: !record.isLost
            case .outOfMemory: record.outOfMemory
            case .timeout: record.timedOut
            case .exit(let code): record.status == .code(code)
            case .exitRange(let codes): record.isExit(within: codes)
            case .signal(let signal): record.status == .signal(signal)
            case .log: record.matchedLogCauses.contains(place)
            }
        }
    }
}

extension ExitRecord {
    var isLost: Bool { if case .lost = status { true } else { false } }

    fileprivate func isExit(within codes: ClosedRange<Int32>) -> Bool {
        if case .code(let code) = status { codes.contains(code) } else { false }
    }

    /// `exit code 2`, for people.
    var briefly: String {
        if timedOut { return "passed its time limit" }
        if outOfMemory { return "ran out of memory" }
        return switch status {
        case .code(let code): "exit code \(code)"
        case .signal(let signal): "killed by signal \(signal)"
        case .startFailure(let step, let subject, _):
            "could not be started: \(subject.isEmpty ? step : "\(step) \(subject)")"
        case .lost(let why): "lost: \(why)"
        case .neverStarted: "never started"
        }
    }
}

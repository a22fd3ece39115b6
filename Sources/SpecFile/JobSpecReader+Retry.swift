internal import JobModel
internal import LinuxSystem

/// `retry`: which failures are tried again, and how.
extension JobSpecReader {
    func retry(_ node: SpecNode) -> RetryPolicy {
        var policy = RetryPolicy()
        read.mapping(
            node, "retry",
            [
                "attempts": {
                    policy.attempts =
                        self.read.integer($0, "attempts", in: 1...1000).map { Int($0) } ?? 1
                },
                "on": { node in policy.on = self.read.items(node).flatMap(self.causes) },
                "exclude_node": { node in
                    policy.excludeNode = self.read.items(node).flatMap(self.causes)
                },
                "memory_factor": {
                    policy.memoryFactor = self.factor($0, "memory_factor") ?? policy.memoryFactor
                },
                "time_factor": {
                    policy.timeFactor = self.factor($0, "time_factor") ?? policy.timeFactor
                },
                "backoff": { policy.backoff = self.backoff($0) },
            ])
        return policy
    }

    private func backoff(_ node: SpecNode) -> RetryPolicy.Backoff {
        var backoff = RetryPolicy.Backoff()
        read.mapping(
            node, "backoff",
            [
                "initial": { backoff.initial = self.read.duration($0, "initial") ?? 0 },
                "max": { backoff.max = self.read.duration($0, "max") ?? backoff.max },
                "factor": { backoff.factor = self.factor($0, "factor") ?? backoff.factor },
                "jitter": { backoff.jitter = self.part($0, "jitter") ?? 0 },
            ])
        return backoff
    }

    private func factor(_ node: SpecNode, _ what: String) -> Double? {
        guard let factor = read.number(node, what) else { return nil }
        if factor >= 1 { return factor }
        read.fail(node, "\(what) must be at least 1")
        return nil
    }

    /// `20%`, `0.2`.
    private func part(_ node: SpecNode, _ what: String) -> Double? {
        let text = node.scalar?.trimmed ?? ""
        let value =
            text.hasSuffix("%")
            ? ScalarText.number(String(text.dropLast())).map { $0 / 100 } : ScalarText.number(text)
        if let value, (0...1).contains(value) { return value }
        read.fail(node, "\(what) must be from 0% to 100%, not '\(text)'", hint: "write 20%")
        return nil
    }

    private static let plainCauses: [String: RetryPolicy.Cause] = [
        "node_lost": .nodeLost, "out_of_memory": .outOfMemory, "timeout": .timeout,
        "failed": .failed,
    ]

    /// `node_lost`, `out_of_memory`, `timeout`, `failed`, `exit 75`, `exit 1,64-78`, `signal SIGBUS, SIGSEGV`, `log /ECC error/`.
    private func causes(_ node: SpecNode) -> [RetryPolicy.Cause] {
        let text = node.scalar?.trimmed ?? ""
        if let cause = Self.plainCauses[text] { return [cause] }
        let word = text.prefix { !$0.isWhitespace }
        let rest = String(text.dropFirst(word.count)).trimmed
        let parts = rest.split(separator: ",", omittingEmptySubsequences: false)
            .map { String($0).trimmed }
        switch word {
        case "exit":
            let codes = parts.compactMap(Self.exitCodes)
            if codes.count == parts.count { return codes }
            read.fail(
                node, "'\(rest)' are no exit codes", hint: "exit 75, exit 64-78, or exit 1,64-78")
            return []
        case "signal":
            let signals = parts.compactMap(ScalarText.signal)
            if signals.count == parts.count { return signals.map { .signal($0) } }
        case "log":
            if rest.count > 2, rest.hasPrefix("/"), rest.hasSuffix("/") {
                let pattern = String(rest.dropFirst().dropLast())
                if let wrong = Self.mistake(in: pattern) {
                    read.fail(node, "'\(pattern)' is no regular expression: \(wrong)")
                }
                return [.log(pattern)]
            }
        default: break
        }
        read.fail(
            node, "'\(text)' is no cause for a retry",
            hint: Diagnostics.suggestion(text, Self.plainCauses.keys.sorted())
                ?? "node_lost, out_of_memory, timeout, failed, exit 75, exit 64-78, signal SIGBUS or log /pattern/"
        )
        return []
    }

    private static func exitCodes(_ text: String) -> RetryPolicy.Cause? {
        let ends = text.split(separator: "-", omittingEmptySubsequences: false)
            .map { Int32(String($0).trimmed) }
        guard let first = ends[0], let last = ends[ends.count - 1], ends.count <= 2,
            0 <= first, first <= last, last <= 255
        else { return nil }
        return first == last ? .exit(first) : .exitRange(first...last)
    }

    /// What regcomp(3), which the node searches with, says against an extended regular expression; nil where nothing.
    private static func mistake(in pattern: String) -> String? {
        do throws(ExtendedExpression.Malformed) {
            _ = try ExtendedExpression(pattern)
            return nil
        } catch { return error.description }
    }
}

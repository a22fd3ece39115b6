internal import JobModel

/// `limits` and `stop`: what ends a task from outside.
extension JobSpecReader {
    func limits(_ node: SpecNode) -> Limits {
        var limits = Limits()
        read.mapping(
            node, "limits",
            [
                "time": { node in for item in self.times(node) { self.time(item, &limits) } },
                "total": { limits.total = self.read.duration($0, "total") },
                "parallel": {
                    limits.parallel = self.read.integer($0, "parallel", in: 1...1_000_000).map {
                        Int($0)
                    }
                },
                "failures": { limits.failures = self.failures($0) },
            ])
        return limits
    }

    /// A list, or one text with commas.
    private func times(_ node: SpecNode) -> [SpecNode] {
        guard let text = node.scalar, text.contains(",") else { return read.items(node) }
        return text.split(separator: ",").map {
            SpecNode(.scalar(String($0).trimmed, quoted: false), node.place)
        }
    }

    /// `2h`, or `3x median`.
    private func time(_ node: SpecNode, _ limits: inout Limits) {
        let text = node.scalar?.trimmed ?? ""
        guard text.hasSuffix("median") else {
            limits.time = read.duration(node, "time")
            return
        }
        var factor = String(text.dropLast("median".count)).trimmed
        if factor.hasSuffix("x") { factor = String(factor.dropLast()).trimmed }
        guard let value = ScalarText.number(factor), value >= 1 else {
            return read.fail(
                node, "'\(text)' is no multiple of the median",
                hint: "3x median, at least 1x median")
        }
        limits.timeOverMedian = value
    }

    private func failures(_ node: SpecNode) -> FailureLimit? {
        let text = node.scalar?.trimmed ?? ""
        if text.hasSuffix("%") {
            if let percent = Double(text.dropLast()), (0...100).contains(percent) {
                return .percent(percent)
            }
        } else if let count = Int(text), count >= 0 {
            return .count(count)
        }
        read.fail(
            node, "failures must be a number of tasks or a percentage, not '\(text)'",
            hint: "write 3 or 10%")
        return nil
    }

    func stop(_ node: SpecNode) -> StopPolicy {
        var policy = StopPolicy()
        read.mapping(
            node, "stop",
            [
                "signal": { node in
                    guard let signal = node.scalar.flatMap(ScalarText.signal) else {
                        return self.read.fail(
                            node, "'\(node.scalar ?? "")' is not a signal",
                            hint: "write SIGTERM, SIGINT, SIGUSR1 …")
                    }
                    policy.signal = signal
                },
                "grace": { policy.grace = self.read.duration($0, "grace") ?? policy.grace },
                "before": { policy.before = self.read.duration($0, "before") },
            ])
        return policy
    }

    /// A warning needs a limit that it comes before. How long a multiple of the median is shows later.
    func checkWarning(_ spec: JobSpec, _ stop: SpecNode) {
        guard let before = spec.stop.before else { return }
        let node = stop.value(of: "before") ?? stop
        guard let limit = spec.limits.time else {
            guard spec.limits.timeOverMedian == nil else { return }
            return read.fail(
                node, "before needs a time limit to come before", hint: "limits: {time: 2h}")
        }
        if before >= limit {
            read.fail(node, "before is as long as limits.time, or longer: no time would be left")
        }
    }
}

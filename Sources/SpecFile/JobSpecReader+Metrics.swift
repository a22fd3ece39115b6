internal import JobModel
internal import LinuxSystem

/// `metrics`: what is best of each, and where it is read.
extension JobSpecReader {
    func metrics(_ node: SpecNode) -> [MetricGoal] {
        read.pairs(node, "metrics").compactMap { key, value in
            let name = key.scalar ?? "a metric"
            if case .mapping = value.content { return metric(value, name) }
            return direction(value, name).map { MetricGoal(name: name, direction: $0) }
        }
    }

    private func direction(_ node: SpecNode, _ name: String) -> MetricGoal.Direction? {
        read.choice(node, "the best of \(name)", MetricGoal.Direction.self)
    }

    private func metric(_ node: SpecNode, _ name: String) -> MetricGoal? {
        var goal: MetricGoal.Direction?
        var (hasGoal, key): (Bool, SpecNode?) = (false, nil)
        var (log, file): (SpecNode?, SpecNode?)
        read.mapping(
            node, "metric \(name)",
            [
                "goal": { node in
                    hasGoal = true
                    goal = self.direction(node, name)
                },
                "log": { log = $0 }, "file": { file = $0 }, "key": { key = $0 },
            ])
        if let one = log, let other = file {
            if one.place.isFlag == other.place.isFlag {
                read.fail(other, "\(name) is read from the output or from a file, not from both")
            }
            // Of the two a flag's wins over the file's.
            if one.place.isFlag { (file, key) = (nil, nil) } else { log = nil }
        }
        if let key, file == nil {
            read.fail(
                key, "key is a place in a file, and \(name) names none",
                hint:
                    "\(name): {goal: \(goal?.rawValue ?? "min"), file: metrics.json, key: \(key.scalar ?? name)}"
            )
        }
        if !hasGoal {
            read.fail(node, "the best of \(name) is missing", hint: "goal: min, or goal: max")
        }
        guard let goal else { return nil }
        return MetricGoal(name: name, direction: goal, source: source(log, file, key, name))
    }

    private func source(_ log: SpecNode?, _ file: SpecNode?, _ key: SpecNode?, _ name: String)
        -> MetricSource?
    {
        if let log { return pattern(log, name).map { .log($0) } }
        guard let file, let path = path(file) else { return nil }
        return .file(path, key: key.flatMap { self.key($0) })
    }

    private func pattern(_ node: SpecNode, _ name: String) -> String? {
        guard let pattern = read.string(node, "log") else { return nil }
        let example = "write \(name)=([0-9.eE+-]+)"
        let expression: ExtendedExpression
        do throws(ExtendedExpression.Malformed) {
            expression = try ExtendedExpression(pattern)
        } catch {
            read.fail(node, "'\(pattern)' is no regular expression: \(error)", hint: example)
            return nil
        }
        switch expression.groups {
        case 1: break
        case 0:
            read.fail(
                node, "'\(pattern)' has no group, and the group's text is the value", hint: example)
        case let count:
            read.fail(
                node, "'\(pattern)' has \(count) groups, and which of them is the value?",
                hint: "one group alone, around the number; [x] and * need none")
        }
        if ExtendedExpression.hasBackReference(pattern) {
            read.fail(node, "'\(pattern)' refers back to its own match, which may take for ever")
        }
        return pattern
    }

    /// Below the results, by name: what leads out of them would not be followed.
    private func path(_ node: SpecNode) -> String? {
        guard let path = read.string(node, "file") else { return nil }
        let parts = path.split(separator: "/")
        guard !path.hasPrefix("/"), !parts.contains(".."), parts.contains(where: { $0 != "." })
        else {
            read.fail(
                node, "'\(path)' does not lie in the task's results",
                hint:
                    "a path below $MARTLET_RESULTS, such as metrics.json; what collect names is found there, too"
            )
            return nil
        }
        return path
    }

    private func key(_ node: SpecNode) -> String? {
        guard let key = read.string(node, "key") else { return nil }
        if !key.isEmpty, !key.split(separator: ".", omittingEmptySubsequences: false).contains("") {
            return key
        }
        read.fail(node, "'\(key)' is no place in JSON", hint: "eval.acc, or folds.0.acc")
        return nil
    }
}

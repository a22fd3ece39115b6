internal import JobModel

/// `search`: which tasks end early.
extension JobSpecReader {
    /// - Parameter goals: `metrics` of the same spec.
    func search(_ node: SpecNode, _ goals: [MetricGoal]) -> SearchPolicy? {
        var policy = SearchPolicy(.asha, MetricGoal(name: "", direction: .min))
        var (method, metric): (SearchPolicy.Method?, MetricGoal?)
        var (namesMethod, namesMetric) = (false, false)
        var only: [(SearchPolicy.Method, SpecNode)] = []
        var stepNode: SpecNode?
        read.mapping(
            node, "search",
            [
                "method": { node in
                    namesMethod = true
                    method = self.read.choice(node, "method", SearchPolicy.Method.self)
                },
                "metric": { node in
                    namesMetric = true
                    metric = self.goal(node, goals)
                },
                "step": { node in
                    stepNode = node
                    policy.step = self.read.string(node, "step")
                },
                "min": { policy.min = self.step($0, "min") ?? policy.min },
                "max": { policy.max = self.step($0, "max") },
                "reduction": { node in
                    only.append((.asha, node))
                    if let value = self.read.number(node, "reduction") {
                        if value < 2 { self.read.fail(node, "reduction must be at least 2") }
                        policy.reduction = value
                    }
                },
                "peers": { node in
                    only.append((.median, node))
                    let peers = self.read.integer(node, "peers", in: 1...1_000_000)
                    policy.peers = peers.map { Int($0) } ?? policy.peers
                },
            ])
        guard let method else {
            if !namesMethod {
                read.fail(
                    node, "search needs a method", hint: "search: {method: asha, min: 1, max: 27}")
            }
            return nil
        }
        policy.method = method
        for (other, node) in only where other != method {
            let name = other == .asha ? "reduction" : "peers"
            read.fail(node, "\(name) is of \(other.rawValue), and the method is \(method.rawValue)")
        }
        if let max = policy.max, max <= policy.min {
            read.fail(
                node.value(of: "max") ?? node, "max is no step after min: nothing would be stopped")
        }
        if !namesMetric { metric = goals.first }
        guard let metric else {
            if !namesMetric {
                read.fail(
                    node, "search compares tasks by a metric, and the spec names none",
                    hint:
                        "metrics: {val_loss: min}, which tasks write to MARTLET_METRICS as they go"
                )
            }
            return nil
        }
        policy.metric = metric
        checkSource(of: metric, node, stepNode)
        return policy
    }

    /// Tasks are followed while they run.
    private func checkSource(of metric: MetricGoal, _ node: SpecNode, _ step: SpecNode?) {
        switch metric.source {
        case nil: break
        case .file:
            read.fail(
                node.value(of: "metric") ?? node,
                "search follows running tasks, and \(metric.name) is read from a file when they have ended",
                hint: "have it in the output, \(metric.name): {goal: \(metric.direction.rawValue), "
                    + "log: \"\(metric.name)=([0-9.eE+-]+)\"}, or in MARTLET_METRICS")
        case .log:
            if let step {
                read.fail(
                    step,
                    "\(metric.name) is found in the output, where each match is a step: there are no fields",
                    hint: "leave step out, or have tasks write to MARTLET_METRICS")
            }
        }
    }

    private func goal(_ node: SpecNode, _ goals: [MetricGoal]) -> MetricGoal? {
        guard let name = read.string(node, "metric") else { return nil }
        if let goal = goals.first(where: { $0.name == name }) { return goal }
        read.fail(
            node, "'\(name)' is none of the spec's metrics",
            hint: Diagnostics.suggestion(name, goals.map(\.name)) ?? "metrics: {\(name): min}")
        return nil
    }

    private func step(_ node: SpecNode, _ what: String) -> Double? {
        guard let value = read.number(node, what) else { return nil }
        if value > 0, value.isFinite { return value }
        read.fail(node, "\(what) is a number of steps, above 0")
        return nil
    }
}

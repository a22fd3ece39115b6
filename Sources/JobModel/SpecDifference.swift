/// One key of a spec that another one has otherwise.
public struct SpecChange: Sendable, Hashable, Codable {
    /// `limits.time`.
    public var key: String
    /// For people; nil where there was none, or where it is too long to be shown.
    @OrNull public var before: String?
    @OrNull public var after: String?
    public init(key: String, before: String? = nil, after: String? = nil) {
        self.key = key
        self.before = before
        self.after = after
    }
}

/// What differs between two specs, key by key, in the order in which the documentation has them.
public struct SpecDifference: Sendable {
    public private(set) var changes: [SpecChange] = []
    private let (old, new): (JobSpec, JobSpec)

    public init(_ old: JobSpec, _ new: JobSpec) {
        (self.old, self.new) = (old, new)
        noteCommand()
        note("resources", \.resources, Self.resources)
        note("priority", \.priority) { "\($0.rawValue)" }
        note("start", \.start) { $0?.description }
        note("repeat", \.repetition) { $0?.text }
        note("group", \.group) { $0.map { "\($0.name), \($0.parallel) at once" } }
        note("limits.time", \.limits.time, Self.time)
        note("limits.time", \.limits.timeOverMedian) { $0.map { "\($0)x median" } }
        note("limits.total", \.limits.total, Self.time)
        note("limits.parallel", \.limits.parallel) { $0.map { "\($0)" } }
        note("limits.failures", \.limits.failures)
        note("retry", \.retry)
        note("stop", \.stop)
        note("collect", \.collect) { $0.joined(separator: ", ") }
        noteMetrics()
        note("search", \.search) { $0.map { "\($0.method.rawValue) by \($0.metric.name)" } }
        note("after", \.after) {
            $0.map { "\($0.condition.rawValue): \($0.job)" }.joined(separator: ", ")
        }
        note("notify", \.notify) { $0?.run }
        noteSweep()
    }

    public var keys: [String] {
        changes.map(\.key).reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    }

    private mutating func noteCommand() {
        note("name", \.name) { $0 }
        note("image", \.image) { $0 }
        note("entrypoint", \.entrypoint) { $0.map(Self.words) }
        note("command", \.command, Self.words)
        note("script", \.script, Self.firstLines)
        note("workdir", \.workdir) { $0 }
        note("user", \.user) { $0 }
        note("hostname", \.hostname) { $0 }
        note("network", \.network)
        note("mounts", \.mounts) { mounts in
            mounts.map { "\($0.source):\($0.destination)" }.joined(separator: ", ")
        }
        note("env", \.env) { env in
            env.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
        }
        note("secrets", \.secrets) { $0.keys.sorted().joined(separator: ", ") }
        note("init", \.`init`) { "\($0)" }
        note("read_only", \.readOnlyRoot) { "\($0)" }
        note("seccomp", \.confinement) { $0.description }
    }

    private mutating func noteMetrics() {
        guard old.metrics != new.metrics else { return }
        let names = (old.metrics + new.metrics).map(\.name).reduce(into: [String]()) {
            if !$0.contains($1) { $0.append($1) }
        }
        let goals = names.map { name in
            [old, new].map { $0.metrics.first { $0.name == name } }
        }
        for (name, both) in zip(names, goals) where both[0] != both[1] {
            changes.append(
                SpecChange(key: "metrics.\(name)", before: both[0]?.text, after: both[1]?.text))
        }
        // Their order is their weight.
        if old.metrics.map(\.name) != new.metrics.map(\.name), goals.allSatisfy({ $0[0] == $0[1] })
        {
            note("metrics", \.metrics) { $0.map(\.name).joined(separator: ", ") }
        }
    }

    private mutating func noteSweep() {
        for (key, section) in [("grid", \ParameterSweep.grid), ("zip", \.zip)] {
            let axes = (old.sweep[keyPath: section], new.sweep[keyPath: section])
            let names = (axes.0 + axes.1).map(\.name).reduce(into: [String]()) {
                if !$0.contains($1) { $0.append($1) }
            }
            for name in names
            where axes.0.first(where: { $0.name == name })?.values
                != axes.1.first(where: { $0.name == name })?.values
            {
                let texts = [axes.0, axes.1].map { axes in
                    axes.first { $0.name == name }.map { Self.values($0.values) }
                }
                changes.append(
                    SpecChange(
                        key: "sweep.\(key).\(name)", before: texts[0], after: texts[1]))
            }
            // The same axes in another order are other tasks.
            if axes.0 != axes.1, !changes.contains(where: { $0.key.hasPrefix("sweep.\(key).") }) {
                changes.append(SpecChange(key: "sweep.\(key)"))
            }
        }
        note("sweep.sample", \.sweep.sample)
        note("sweep.from", \.sweep.from)
        note("sweep.exclude", \.sweep.exclude)
        note("sweep.where", \.sweep.condition) { $0 }
        note("sweep.include", \.sweep.include)
    }

    private mutating func note<Value: Equatable>(
        _ key: String, _ path: KeyPath<JobSpec, Value>, _ text: (Value) -> String? = { _ in nil }
    ) {
        let (before, after) = (old[keyPath: path], new[keyPath: path])
        guard before != after else { return }
        changes.append(SpecChange(key: key, before: text(before), after: text(after)))
    }

    private static func words(_ words: [String]) -> String {
        words.map { word in
            let isPlain = !word.isEmpty && !word.contains { $0.isWhitespace || "'\"".contains($0) }
            return isPlain ? word : "'\(word)'"
        }.joined(separator: " ")
    }

    /// As people write them; of a long list the beginning.
    private static func values(_ values: AxisValues) -> String {
        if case .range(let first, let last) = values { return "\(first)..\(last)" }
        let shown = (0..<min(values.count, 8)).map { values[$0].description }
        return shown.joined(separator: ", ")
            + (values.count > 8 ? ", … \(values.count) in all" : "")
    }

    private static func firstLines(_ script: String?) -> String? {
        script.map { $0.count > 400 ? $0.prefix(400) + "…" : $0 }
    }

    private static func time(_ milliseconds: Int64?) -> String? {
        milliseconds.map { "\(Double($0) / 1000) s" }
    }

    private static func resources(_ request: ResourceRequest) -> String {
        "cpus \(request.cpus)" + (request.memory.map { ", memory \($0)" } ?? "")
            + (request.gpus.count > 0 ? ", gpus \(request.gpus.count)" : "")
    }
}

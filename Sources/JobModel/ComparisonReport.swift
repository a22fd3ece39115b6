/// `martlet compare JOB… --json`: in what jobs differ, and what came of each.
public struct ComparisonReport: Sendable, Codable {
    public struct Best: Sendable, Codable {
        public var metric: String
        /// Nil where the job names no goal for it.
        @OrNull public var goal: MetricGoal.Direction?
        @OrNull public var value: Double?
        @OrNull public var task: Int?
        @OrNull public var params: [String: ParameterValue]?
        /// No job of the comparison has a better one.
        public var isBest: Bool
    }

    public struct Job: Sendable, Codable {
        public var id: JobID
        public var name: String
        public var state: JobState
        public var counts: TaskCounts
        @OrNull public var started: String?
        @OrNull public var ended: String?
        /// Wall-clock seconds of its tasks' last attempts: the one in the middle, and all together; nil before any ended.
        @OrNull public var medianSeconds: Double?
        @OrNull public var taskSeconds: Double?
        /// Of each metric that any of the jobs names, in their order.
        public var best: [Best]
    }

    /// A key of the spec that not all have alike.
    public struct Difference: Sendable, Codable {
        public var key: String
        /// By job, for people; null where it has none, or where it is too long to be shown.
        public var values: [String?]
    }

    public var schema = JobModel.schemaVersion
    public var jobs: [Job]
    public var differences: [Difference]

    /// One job, as it is asked for.
    public struct Source: Sendable {
        public var summary: JobSummary
        public var spec: JobSpec
        public var results: ResultsReport
        public init(_ summary: JobSummary, _ spec: JobSpec, _ results: ResultsReport) {
            self.summary = summary
            self.spec = spec
            self.results = results
        }
    }

    public init(_ sources: [Source]) {
        let goals = sources.flatMap(\.spec.metrics).map(\.plain).reduce(into: [MetricGoal]()) {
            goals, goal in
            if !goals.contains(where: { $0.name == goal.name }) { goals.append(goal) }
        }
        jobs = sources.map { Self.job($0, goals) }
        differences = Self.differences(sources.map(\.spec))
        for (place, goal) in goals.enumerated() { mark(place, goal) }
    }

    private static func job(_ source: Source, _ goals: [MetricGoal]) -> Job {
        let seconds = source.results.points.compactMap(\.seconds).sorted()
        return Job(
            id: source.summary.id, name: source.summary.name, state: source.summary.state,
            counts: source.summary.counts, started: source.summary.started,
            ended: source.summary.ended,
            medianSeconds: seconds.isEmpty ? nil : seconds[seconds.count / 2],
            taskSeconds: seconds.isEmpty ? nil : seconds.reduce(0, +),
            best: goals.map { best(of: source, $0) })
    }

    /// By the job's own goal; one that names none is looked at with the others' eyes.
    private static func best(of source: Source, _ other: MetricGoal) -> Best {
        let own = source.spec.metrics.first { $0.name == other.name }?.plain
        let goal = own ?? other
        var best: ResultsReport.Row?
        for row in source.results.points where row.state == .succeeded || row.state == .stopped {
            guard let value = row.metrics[goal.name] else { continue }
            if let former = best?.metrics[goal.name], !goal.isBetter(value, than: former) {
                continue
            }
            best = row
        }
        return Best(
            metric: goal.name, goal: own?.direction, value: best?.metrics[goal.name],
            task: best?.index, params: best?.params, isBest: false)
    }

    /// Where jobs disagree on what is best, none is.
    private mutating func mark(_ place: Int, _ goal: MetricGoal) {
        guard jobs.allSatisfy({ $0.best[place].goal ?? goal.direction == goal.direction }),
            let best = jobs.compactMap({ $0.best[place].value }).min(by: {
                goal.isBetter($0, than: $1)
            })
        else { return }
        for job in jobs.indices {
            jobs[job].best[place].isBest = jobs[job].best[place].value == best
        }
    }

    private static func differences(_ specs: [JobSpec]) -> [Difference] {
        guard let first = specs.first else { return [] }
        let changes = specs.map { spec in
            Dictionary(
                SpecDifference(first, spec).changes.map { ($0.key, $0) }, uniquingKeysWith: { $1 })
        }
        let keys = specs.flatMap { SpecDifference(first, $0).keys }.reduce(into: [String]()) {
            if !$0.contains($1) { $0.append($1) }
        }
        return keys.map { key in
            let own = changes.lazy.compactMap { $0[key] }.first?.before
            return Difference(key: key, values: changes.map { $0[key].map(\.after) ?? own })
        }
    }
}

internal import JobModel

/// The metrics of an attempt that has ended.
enum TaskMetrics {
    /// All that it wrote to its metrics file; those that the spec finds elsewhere come from there alone.
    static func values(of goals: [MetricGoal], _ directories: TaskDirectories) -> [String: Double] {
        var values = MetricsFile.lastValues(in: directories.results)
        let sourced = goals.filter { $0.source != nil }
        guard !sourced.isEmpty else { return values }
        for goal in sourced { values[goal.name] = nil }
        values.merge(LogMetrics.values(of: sourced, directories)) { $1 }
        values.merge(FileMetrics.values(of: sourced, in: directories.results)) { $1 }
        return values.filter { $0.value.isFinite }
    }
}

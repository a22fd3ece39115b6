import JobModel

/// What became of a night, as far as it does not depend on when the server died.
struct WholeOutcome: Equatable {
    struct Job: Equatable {
        var name: String
        var state: JobState
        var tasks: [TaskState]
        var points: [[String: ParameterValue]]
        var codes: [Int32?]
        var metrics: [[String: Double]]
        var reasons: [String?]
    }
    var jobs: [Job] = []
    var told: Set<String> = []
}

extension WholeOutcome {
    func differences(from other: WholeOutcome) -> [String] {
        var found: [String] = []
        if jobs.count != other.jobs.count { found.append("\(jobs.count) jobs") }
        for (job, former) in zip(jobs, other.jobs) where job != former {
            found.append("\(job), and not \(former)")
        }
        if told != other.told { found.append("told: \(told), and not \(other.told)") }
        return found
    }
}

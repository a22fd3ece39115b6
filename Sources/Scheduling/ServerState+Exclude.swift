import JobModel

/// Why a node is not used for a job.
struct Exclusion: Sendable {
    var reason: String
    /// Nil means for good.
    var until: Timestamp?
}

extension ServerState {
    mutating func exclude(
        _ id: JobID, from node: String, _ reason: String, _ until: Timestamp?
    ) {
        guard jobs[id]?.isFinal == false else { return }
        jobs[id]?.excluded[node] = Exclusion(reason: reason, until: until)
        outbox.changed.insert(id)
    }

    var nextReadmission: Timestamp? {
        timely.compactMap { id in jobs[id]?.excluded.values.compactMap(\.until).min() }.min()
    }

    mutating func readmit(_ now: Timestamp) {
        for id in timely {
            for (node, exclusion) in jobs[id]?.excluded ?? [:] {
                if let until = exclusion.until, until <= now { jobs[id]?.excluded[node] = nil }
            }
        }
    }
}

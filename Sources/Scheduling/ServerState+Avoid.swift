import JobModel

extension ServerState {
    /// Leaves a node out for a job whose policy says that such an end is the node's fault. The last node that could have its tasks
    /// stays, or the last ones, where each has several: a task that fails everywhere is to end, not to wait for ever.
    mutating func avoid(_ node: String, after record: ExitRecord, _ now: Timestamp) {
        let task = record.attempt.task
        guard let place = jobs.index(forKey: task.job), nodes[node] != nil,
            jobs.values[place].spec.retry.excludesNode(for: record),
            jobs.values[place].decisions.avoided?[node] == nil
        else { return }
        let excluded = jobs.values[place].everyExclusion
        var request = jobs.values[place].spec.resources
        let size = request.nodes
        request.nodes = 1
        let others = pool.nodes.count { other in
            other.name != node && other.acceptsWork && excluded[other.name] == nil
                && other.resources.has(request.labels) && other.resources.couldFit(request)
        }
        guard others >= size else { return }
        jobs.values[place].decisions.avoided = (jobs.values[place].decisions.avoided ?? [:])
            .merging([
                node: "is left out for this job (retry.exclude_node): there \(task) ended so: "
                    + record.briefly
            ]) { $1 }
        outbox.jobs.insert(task.job)
        outbox.changed.insert(task.job)
        let there = (jobs[task.job]?.lanes ?? []).filter { lanes[$0]?.placement.node == node }
        recallUnstarted(there, of: task.job)
    }

    /// Asks back what waits in these lanes of a job.
    mutating func recallUnstarted(_ ids: some Sequence<LaneID>, of job: JobID) {
        for id in ids.sorted() {
            guard let lane = lanes[id] else { continue }
            for index in lane.tasks {
                guard let live = jobs[job]?.live[index], live.started == nil, live.gang == nil,
                    !live.recalled
                else { continue }
                jobs[job]?.live[index]?.recalled = true
                outbox.recalls[lane.placement.node, default: []].append(
                    AttemptID(task: TaskID(job: job, index: index), number: live.attempt))
            }
        }
    }
}

extension JobRecord {
    /// Nodes that cannot be given what its tasks need, and those that its policy leaves out.
    var everyExclusion: [String: Exclusion] {
        guard let avoided = decisions.avoided else { return excluded }
        return excluded.merging(avoided.mapValues { Exclusion(reason: $0, until: nil) }) { $1 }
    }
}

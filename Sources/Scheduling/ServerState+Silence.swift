public import JobModel

/// A node of which nothing is heard, as it matters to the tasks of one job there.
public struct NodeSilence: Sendable, Hashable {
    public let node: String
    public let since: Timestamp
    /// When what it has is taken for lost, unless it is heard of before; nil where that is never.
    public let until: Timestamp?
    /// Of the job, there.
    public let tasks: Int
    /// How many of them are tried again then.
    public let again: Int

    /// Of the one task that is there.
    public var ofTask: String { "node \(node) is \(sentence)" }

    /// Of one task, and of a job's.
    fileprivate var sentence: String {
        let subject = tasks == 1 ? "it" : "they"
        let start = "silent since \(since); \(subject) may run on there, and "
        guard let until else {
            return start + (tasks == 1 ? "is" : "are") + " waited for: the node has no lease"
        }
        let end = "\(tasks == 1 ? "is" : "are") taken for lost at \(until) unless it is heard of"
        return start + end + ", and then " + outcome
    }

    private var outcome: String {
        switch again {
        case 0: "not tried again, as `retry` has it"
        case tasks: "tried again elsewhere"
        default: "\(again) of them tried again elsewhere"
        }
    }
}

// What there is to say of nodes that have gone out of sight while tasks ran on them.

extension ServerState {
    /// Of the nodes of one task, or of all of a job's that are with a node; by name.
    func silences(of id: JobID, index: Int? = nil) -> [NodeSilence] {
        guard let place = jobs.index(forKey: id) else { return [] }
        // This machine's own agent is found or started in the first moments of a server, and is not silent until then.
        let silent = nodes.filter {
            !$0.value.isConnected && $0.value.silentSince != nil
                && ($0.value.connection > 0 || $0.value.spec != nil)
        }
        guard !silent.isEmpty, !jobs.values[place].live.isEmpty else { return [] }
        return silent.keys.sorted().compactMap { name in
            guard let node = silent[name], let since = node.silentSince else { return nil }
            let indexes = node.lanes.compactMap { lanes[$0] }.filter { $0.demand.job == id }
                .flatMap(\.tasks).filter { index == nil || $0 == index }
            guard !indexes.isEmpty else { return nil }
            return NodeSilence(
                node: name, since: since, until: leases[name], tasks: indexes.count,
                again: indexes.count { isTriedAgain($0, of: jobs.values[place]) })
        }
    }

    /// For people: of one task, or of a job; nil where nothing of it is on a silent node.
    public func silenceText(of id: JobID, index: Int? = nil) -> String? {
        let silences = silences(of: id, index: index)
        guard let first = silences.first else { return nil }
        if index != nil { return first.ofTask }
        let tasks = first.tasks == 1 ? "1 task is" : "\(first.tasks) tasks are"
        let more = silences.dropFirst().reduce(0) { $0 + $1.tasks }
        return "\(tasks) on node \(first.node), \(first.sentence)"
            + (more == 0 ? "" : " (and \(more) more on other silent nodes)")
    }

    /// Those of a job's tasks that are on silent nodes, by index.
    public func silentTasks(of id: JobID) -> [Int: NodeSilence] {
        guard let job = jobs[id] else { return [:] }
        return silences(of: id).reversed().reduce(into: [:]) { found, silence in
            for lane in (nodes[silence.node]?.lanes ?? []).compactMap({ lanes[$0] })
            where lane.demand.job == id {
                for index in lane.tasks {
                    found[index] = NodeSilence(
                        node: silence.node, since: silence.since, until: silence.until, tasks: 1,
                        again: isTriedAgain(index, of: job) ? 1 : 0)
                }
            }
        }
    }

    /// Whether the loss of the node that a task is on would have it tried again.
    private func isTriedAgain(_ index: Int, of job: JobRecord) -> Bool {
        guard let live = job.live[index] else { return false }
        let attempt = AttemptID(task: TaskID(job: job.id, index: index), number: live.attempt)
        let record = ExitRecord(
            attempt: attempt, status: .lost("silence"), ended: Timestamp(milliseconds: 0))
        let history = job.history[index]
        let past = Verdict.Past(failures: history?.failures ?? 0, losses: history?.losses ?? 0)
        let verdict = Verdict(
            record, policy: job.spec.retry, past: past, cancelRequested: live.cancelRequested)
        if case .retry = verdict { return true }
        return false
    }
}

import JobModel

// GPUs on which tasks fail at once that do well on others: each is taken out by itself, and its node goes on.

extension ServerState {
    /// Failures in a row that are too many of one GPU.
    private static let mostFailures = 4

    /// Notes what an end says of the GPUs that its task had.
    mutating func noteGPUs(_ record: ExitRecord, _ placement: Placement?, _ now: Timestamp) {
        guard let placement, !placement.gpus.isEmpty, nodes[placement.node] != nil,
            let place = jobs.index(forKey: record.attempt.task.job)
        else { return }
        let node = placement.node
        let sign = NodeHealth.Sign(record)
        switch sign {
        case .nothing: return
        case .well:
            for gpu in placement.gpus {
                nodes[node]?.gpuHealth[gpu] = nil
                jobs.values[place].gpusFaredWell.insert("\(node)/\(gpu)")
            }
        case .failure:
            // Of several nobody knows which it was.
            guard placement.gpus.count == 1, let gpu = placement.gpus.first else { return }
            nodes[node]?.gpuHealth[gpu, default: NodeHealth()].note(sign)
            judge(gpu, of: node, now)
        }
    }

    /// As an earlier server found, or this one.
    mutating func closeGPU(_ gpu: String, of name: String, _ reason: String) {
        guard nodes[name] != nil, nodes[name]?.closedGPUs[gpu] == nil else { return }
        nodes[name]?.closedGPUs[gpu] = reason
        pool.closeGPU(gpu, of: name)
        for id in active {
            let there = (jobs[id]?.lanes ?? []).filter {
                lanes[$0]?.placement.node == name && lanes[$0]?.placement.gpus.contains(gpu) == true
            }
            recallUnstarted(there, of: id)
            outbox.changed.insert(id)
        }
    }

    private mutating func judge(_ gpu: String, of name: String, _ now: Timestamp) {
        guard let node = nodes[name], node.closedGPUs[gpu] == nil,
            let row = node.gpuHealth[gpu]?.row, row.count >= Self.mostFailures,
            Set(row.map(\.attempt.task.job)).contains(where: {
                faresWell($0, elsewhereThan: gpu, of: name, now)
            }), hasOtherGPU(than: name)
        else { return }
        let told = row.suffix(Self.mostFailures).map { "\($0.attempt): \($0.text)" }
        let reason =
            "\(row.count) tasks in a row failed on it that do well on others: "
            + told.joined(separator: "; ")
        closeGPU(gpu, of: name, reason)
        outbox.later.append(.gpuQuarantined(name, gpu: gpu, reason: reason))
    }

    /// Whether tasks of a job have succeeded on another GPU, or run on one for as long as none failed here.
    private func faresWell(
        _ id: JobID, elsewhereThan gpu: String, of name: String, _ now: Timestamp
    ) -> Bool {
        guard let job = jobs[id] else { return false }
        if job.gpusFaredWell.hasOther(than: "\(name)/\(gpu)") { return true }
        return job.live.values.contains { live in
            guard let started = live.started, let lane = lanes[live.lane], live.gang == nil,
                !lane.placement.gpus.isEmpty,
                lane.placement.node != name || !lane.placement.gpus.contains(gpu)
            else { return false }
            // The node's clock may be slow.
            return now.milliseconds - max(started, lane.opened).milliseconds >= NodeHealth.soon
        }
    }

    /// The last one that works stays.
    private func hasOtherGPU(than name: String) -> Bool {
        pool.nodes.contains { node in
            let open = node.resources.gpuCount - (nodes[node.name]?.closedGPUs.count ?? 0)
            return node.acceptsWork && open > (node.name == name ? 1 : 0)
        }
    }
}

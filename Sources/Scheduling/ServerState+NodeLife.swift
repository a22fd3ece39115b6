import JobModel

// What persons and time do to nodes.

extension ServerState {
    /// Milliseconds of silence after which nothing that a lease bound runs on: the node's clock may be slower by a tenth, it may
    /// have heard of the head for as long as it took the head to give it up (NodeLink's `Heartbeat.patience`), and what it ends
    /// then has its grace.
    private static func leaseEnd(_ lease: Int64, grace: Int64) -> Int64 {
        lease + lease / 10 + 20_000 + grace
    }

    mutating func add(_ spec: NodeSpec) {
        let known = nodes[spec.name]
        var node =
            known ?? Node(inventory: NodeInventory(hostname: spec.name, numaNodes: []))
        node.spec = spec
        nodes[spec.name] = node
        if known == nil || known?.spec?.labels ?? [:] != spec.labels { renew(spec.name) }
        watchLease(spec.name)
    }

    // MARK: Draining

    mutating func drain(_ name: String, _ reason: String, _ mode: Draining) {
        guard nodes[name] != nil else { return }
        nodes[name]?.drain = Node.Drain(reason: reason, mode: mode)
        openOrClose(name)
        withdraw(from: name)
        noteChange(of: name)
    }

    mutating func undrain(_ name: String) {
        guard nodes[name] != nil else { return }
        nodes[name]?.drain = nil
        nodes[name]?.health = NodeHealth()
        nodes[name]?.gpuHealth = [:]
        if nodes[name]?.closedGPUs.isEmpty == false {
            nodes[name]?.closedGPUs = [:]
            renew(name)
        }
        for id in active where jobs[id]?.decisions.avoided?.removeValue(forKey: name) != nil {
            outbox.jobs.insert(id)
        }
        openOrClose(name)
        noteChange(of: name)
    }

    /// Asks a node that is to take no work for what it has not started, or to end all that it has. What comes back is queued again.
    mutating func withdraw(from name: String) {
        guard let node = nodes[name], node.isConnected else { return }
        for (attempt, live) in attempts(on: name) {
            if node.drain?.mode == .requeue {
                outbox.cancels[name, default: []].append(attempt)
            } else if !live.isUnderWay, !live.recalled {
                jobs[attempt.task.job]?.live[attempt.task.index]?.recalled = true
                outbox.recalls[name, default: []].append(attempt)
            }
        }
    }

    /// What a node that has come back is told beyond where its attempts belong.
    func isWithdrawn(_ live: JobRecord.Live, from name: String) -> (cancelled: Bool, recalled: Bool)
    {
        let node = nodes[name]
        let isEnding =
            live.cancelRequested || live.overdue != nil || live.stopping != nil
            || live.gang?.isEnding == true
        if isEnding || node?.drain?.mode == .requeue { return (true, false) }
        let isClosed = node?.drain != nil || node?.health.quarantine != nil
        return (false, isClosed && !live.isUnderWay)
    }

    // MARK: Leases

    /// Sets when the tasks of a silent node are given up.
    mutating func watchLease(_ name: String) {
        leases[name] = nil
        guard let node = nodes[name], let since = node.silentSince, !node.lanes.isEmpty,
            let lease = node.spec?.leaseTime
        else { return }
        let grace = attempts(on: name).compactMap { jobs[$0.0.task.job]?.spec.stop.grace }.max()
        let end = Self.leaseEnd(lease, grace: grace ?? 0)
        leases[name] = Timestamp(milliseconds: since.milliseconds + end)
    }

    mutating func endLeases(_ now: Timestamp) {
        for (name, due) in leases.sorted(by: { $0.key < $1.key }) where due <= now {
            leases[name] = nil
            giveUp(name, "node \(name) was silent for longer than its lease", now)
        }
    }

    // MARK: Removal

    mutating func remove(_ name: String, _ now: Timestamp) {
        guard let node = nodes[name] else { return }
        if node.isConnected {
            for (attempt, _) in attempts(on: name) {
                outbox.cancels[name, default: []].append(attempt)
            }
        }
        giveUp(name, "node \(name) was removed", now)
        noteChange(of: name)
        nodes[name] = nil
        leases[name] = nil
        pool.remove(name)
        countCapacity()
        outbox.removed.append(name)
    }

    /// All that a node has is lost.
    private mutating func giveUp(_ name: String, _ reason: String, _ now: Timestamp) {
        let silentSince = nodes[name]?.silentSince ?? now
        for (attempt, live) in attempts(on: name) {
            lose(attempt, live, on: name, reason, at: silentSince, now)
        }
    }

    /// In the order in which they were sent.
    private func attempts(on name: String) -> [(AttemptID, JobRecord.Live)] {
        (nodes[name]?.lanes ?? []).sorted().flatMap { id -> [(AttemptID, JobRecord.Live)] in
            guard let lane = lanes[id] else { return [] }
            return lane.tasks.compactMap { index in
                guard let live = jobs[lane.demand.job]?.live[index] else { return nil }
                let task = TaskID(job: lane.demand.job, index: index)
                return (AttemptID(task: task, number: live.attempt), live)
            }
        }
    }

    /// Anybody's job may wait for it.
    private mutating func noteChange(of name: String) {
        for job in active { outbox.changed.insert(job) }
    }
}

extension JobRecord.Live {
    /// Some part of it has started.
    var isUnderWay: Bool { started != nil }
}

public import JobModel

extension ServerState {
    /// Why a job or one of its tasks waits, and why it runs where it runs; nil where there is no such one.
    public func explanation(of id: JobID, index: Int?, now: Timestamp) -> ExplanationReport? {
        guard let job = jobs[id] else { return nil }
        let (jobState, sentence) = standing(of: id, now: now)
        var report = ExplanationReport(job: id, name: job.name, state: jobState)
        report.index = index
        report.reason = silenceText(of: id, index: index) ?? sentence
        let silences = silences(of: id, index: index)
        if !silences.isEmpty {
            report.silentNodes = silences.map(ExplanationReport.SilentNode.init)
        }
        if let index {
            guard let task = taskState(TaskID(job: id, index: index)) else { return nil }
            report.taskState = task
            if task == .queued { report.reason = reason(index, of: job) ?? sentence }
            report.place = place(index, of: job, now)
            // One that is on its way waits for nothing, and what is tried again later not for room.
            if task != .queued || report.place != nil || reason(index, of: job) != nil {
                return report
            }
        } else if let first = job.live.keys.min() {
            report.place = place(first, of: job, now)
        }
        report.wait = wait(of: job, now)
        return report
    }

    /// What a queued task waits for, other than room.
    private func reason(_ index: Int, of job: JobRecord) -> String? {
        let task = TaskID(job: job.id, index: index)
        if let next = delayed.first(where: { $0.task == task }) {
            return "is tried again at \(next.due)"
        }
        guard job.isIndexed else { return nil }
        let upstream = job.dependencies.first { dependency in
            guard dependency.condition == .each, let other = jobs[dependency.job] else {
                return false
            }
            return index < other.taskCount && !other.tasks[index].state.isFinal
        }
        return upstream.map { "waits for task \($0.job)_\(index)" }
    }

    /// Nodes that are told of, at most.
    private static let explainedNodes = 8

    private func wait(of job: JobRecord, _ now: Timestamp) -> ExplanationReport.Wait? {
        guard job.isRunnable, job.readyCount > 0 else { return nil }
        let work = work(of: active, now)
        guard let demand = work.demands.first(where: { $0.id.job == job.id }) else { return nil }
        var wait = ExplanationReport.Wait(
            tasks: job.readyCount, needs: Self.words(demand.request),
            priority: demand.priority.rawValue, share: demand.share)
        var turns = Turns(work.demands)
        while let next = turns.next, work.demands[next].id != demand.id {
            if !wait.behind.contains(work.demands[next].id.job) {
                wait.behind.append(work.demands[next].id.job)
            }
            turns.drop()
        }
        let expected =
            job.reservation.map { ($0.start, $0.rooms[0].node) } ?? expectation(demand, now)
        wait.expected = expected?.0?.description
        wait.expectedNode = expected?.1
        wait.isReserved = job.reservation != nil
        let snapshot = ClusterSnapshot(
            nodes: pool.nodes, demands: work.demands, headroom: work.headroom, now: now)
        let nodes = Scheduler.explain(demand, in: snapshot).nodes
        wait.nodes = nodes.prefix(Self.explainedNodes).map { node in
            ExplanationReport.Node(
                name: node.name,
                obstacles: node.obstacles.map { obstacle(on: node.name, $0, now) }
                    + (node.fit != nil ? kept(on: node.name, for: job, now) : []))
        }
        wait.moreNodes = nodes.count - wait.nodes.count
        return wait
    }

    private func expectation(_ demand: ClusterSnapshot.Demand, _ now: Timestamp) -> (
        Timestamp?, String
    )? {
        earliest(demand, on: roomiest(for: demand, now), now).map {
            ($0.start, $0.placements[0].node)
        }
    }

    private func obstacle(on node: String, _ obstacle: Explanation.Obstacle, _ now: Timestamp)
        -> ExplanationReport.Obstacle
    {
        ExplanationReport.Obstacle(
            resource: obstacle.resource.rawValue,
            text: obstacle.resource == .work ? closedText(node) : obstacle.text,
            isForGood: obstacle.isForGood,
            holders: obstacle.holders.map { holder in
                let ends = (nodes[node]?.lanes ?? []).compactMap { lanes[$0] }
                    .filter { $0.demand.job == holder.job }.compactMap { expectedEnd($0, now) }
                return ExplanationReport.Holder(
                    job: holder.job, name: jobs[holder.job]?.name ?? "", amount: holder.text,
                    expected: ends.min()?.description)
            })
    }

    private func closedText(_ name: String) -> String {
        guard let node = nodes[name], node.isConnected || node.drain != nil else {
            return "takes no work now: it is not connected"
        }
        return "takes no work now" + (node.closedReason.map { ": \($0)" } ?? "")
    }

    /// Room that is there, and kept for others.
    private func kept(on node: String, for job: JobRecord, _ now: Timestamp)
        -> [ExplanationReport.Obstacle]
    {
        active.compactMap { id in
            guard id != job.id, let other = jobs[id], let reservation = other.reservation,
                reservation.rooms.contains(where: { $0.node == node })
            else { return nil }
            let until = reservation.start.map { " from \($0) on" } ?? ""
            return ExplanationReport.Obstacle(
                resource: "reservation", text: "has room, which is kept for job \(id)\(until)",
                isForGood: false, holders: [])
        }
    }

    // MARK: Where it runs

    private func place(_ index: Int, of job: JobRecord, _ now: Timestamp)
        -> ExplanationReport.Place?
    {
        guard let live = job.live[index] else { return nil }
        // Of several the first that still runs.
        let id = live.gang?.members.first { $0.end == nil }?.lane ?? live.lane
        guard let lane = lanes[id] else { return nil }
        var place = ExplanationReport.Place(
            index: index, lane.placement, expectedEnd: expectedEnd(lane, now)?.description)
        place.nodes = live.gang?.gang.nodes
        var request = job.spec.resources
        if let memory = lane.demand.memory { request.memory = memory }
        let demand = ClusterSnapshot.Demand(
            id: lane.demand, request: request, ready: 1, ports: job.spec.network.fixedPorts)
        let work = work(of: active, now)
        let explanation = Scheduler.explain(
            lane.placement, lane.reservation, of: demand,
            in: ClusterSnapshot(
                nodes: pool.nodes, demands: work.demands, headroom: work.headroom, now: now))
        guard
            let mine = explanation.nodes.first(where: { $0.name == lane.placement.node })?.fit?
                .score
        else { return place }
        let others = explanation.nodes.filter { $0.fit != nil && $0.name != lane.placement.node }
        place.nextBest = others.first?.name
        if let other = others.first?.fit?.score {
            if other.isBetter(than: mine) { place.betterNow = others.first?.name }
            place.score = mine.compared(with: other).map {
                ExplanationReport.ScoreLine(
                    name: $0.name, mine: $0.mine, other: $0.other, decides: $0.decides)
            }
        } else {
            place.score = mine.lines.map {
                ExplanationReport.ScoreLine(
                    name: $0.name, mine: $0.text, other: nil, decides: false)
            }
        }
        return place
    }

    /// `4 CPUs, 8 GiB, 1 GPU`.
    private static func words(_ request: ResourceRequest) -> String {
        var words = ["\(request.cpus) CPU\(request.cpus == 1 ? "" : "s")"]
        if request.nodes > 1 { words[0] = "\(request.nodes) nodes with " + words[0] }
        if let memory = request.memory { words.append(ByteText.text(memory)) }
        if request.gpus.count > 0 { words.append(GPUText.text(request.gpus)) }
        if request.numa == .strict { words.append("on one NUMA node") }
        if request.exclusive { words.append("the node for itself") }
        words += request.labels.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
        return words.joined(separator: ", ")
    }
}

extension ExplanationReport.SilentNode {
    fileprivate init(_ silence: NodeSilence) {
        self.init(
            name: silence.node, tasks: silence.tasks, triedAgain: silence.again,
            silentSince: silence.since.description, givenUp: silence.until?.description)
    }
}

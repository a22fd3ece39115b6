internal import JobModel
internal import NodeLink
internal import Scheduling

// What a job needs on another machine before its first task can start there: its image, its directories, its secrets.

extension JobServer {
    /// What a job's tasks find on a node; nil while it is not all there. The first question has it brought.
    func supplies(of id: JobID, on name: String) -> NodeSupplies? {
        guard let root = roots[id], let node = nodes[name] else { return nil }
        guard let spec = node.spec else { return NodeSupplies(root: root) }
        switch node.supplies[id] {
        case .ready(let supplies): return supplies
        case .underway, .failed: return nil
        case nil:
            supply(id, to: spec, connection: node.lineNumber)
            return nil
        }
    }

    /// Brings them on a thread of its own.
    private func supply(_ id: JobID, to node: NodeSpec, connection: Int) {
        guard let job = state.job(id) else { return }
        let name = node.name
        nodes[name]?.supplies[id] = .underway("is being prepared")
        let line = nodes[name]?.line
        let opened = LastStream()
        let delivery = SupplyDelivery(job: id, spec: job.spec, image: images[id], node: node) {
            request, receive throws(LinkError) in
            guard let line else { throw LinkError("the node was removed") }
            let stream = try line.open(request, connection, receive)
            opened.note(stream)
            return stream
        }
        do {
            try pace.block { [self, seams, pace] in
                let result: Result<NodeSupplies, SupplyError>
                do throws(SupplyError) {
                    result = .success(
                        try seams.supply(delivery) { news in
                            switch news {
                            case .progress(let text):
                                pace.start {
                                    await self.supplyAdvanced(id, name, connection, text)
                                }
                            // The inbox keeps the order: it is there before anything that comes of what is brought.
                            case .note(let text): self.inbox.post(.event(.jobNoted(id, text)))
                            }
                        })
                } catch { result = .failure(error) }
                let isCut = opened.isCut
                pace.start { await self.supplied(id, name, connection, result, isCut: isCut) }
            }
        } catch { supplied(id, name, connection, .failure(SupplyError(.passing, "\(error)"))) }
    }

    private func supplyAdvanced(_ id: JobID, _ name: String, _ connection: Int, _ text: String) {
        // Told late, it is over.
        guard let node = nodes[name], node.lineNumber == connection,
            case .underway = node.supplies[id]
        else { return }
        nodes[name]?.supplies[id] = .underway(text)
        publish(id)
    }

    private func supplied(
        _ id: JobID, _ name: String, _ connection: Int, _ result: Result<NodeSupplies, SupplyError>,
        isCut: Bool = false
    ) {
        // A later connection asks again.
        guard nodes[name]?.lineNumber == connection, state.job(id)?.isFinal == false else { return }
        switch result {
        case .success(let supplies):
            nodes[name]?.supplies[id] = .ready(supplies)
            runWaiting(id, on: name)
        case .failure where isCut:
            // The fault of nobody there: the next connection asks again, and what has come stays.
            nodes[name]?.supplies[id] = .underway("is not connected; what it lacks follows")
        case .failure(let error):
            note("node \(name) lacks what job \(id) needs: \(error.reason)")
            nodes[name]?.supplies[id] = .failed(error.reason)
            giveBack(id, name, error)
        }
        publish(id)
    }

    /// What cannot start there waits elsewhere. What is there since an earlier connection stays there.
    private func giveBack(_ id: JobID, _ name: String, _ error: SupplyError) {
        let named = nodes[name]?.named ?? []
        let all = nodes[name]?.waiting.removeValue(forKey: id) ?? []
        let waiting = all.filter { !named.contains($0.attempt) }
        if waiting.count < all.count {
            nodes[name]?.waiting[id] = all.filter { named.contains($0.attempt) }
        }
        let time = now
        let never = waiting.map {
            ExitRecord(attempt: $0.attempt, status: .neverStarted, ended: time)
        }
        apply([
            .jobExcluded(
                id, node: name, reason: error.reason,
                until: error.kind == .unfit
                    ? nil : Timestamp(milliseconds: time.milliseconds + Self.supplyPause)),
            .exited(name, never),
        ])
        pace.start { [weak self, pace] in
            // Cut short it only asks earlier.
            try? await pace.sleep(Self.supplyPause)
            await self?.forgetFailure(id, name, error.kind)
        }
    }

    /// Attempts that have not been sent, since something for them is still on its way, need not be asked back from the node, where it does
    /// not know them from an earlier connection. Returns the others.
    func takeBack(_ attempts: [AttemptID], from name: String, cancelled: Bool) -> [AttemptID] {
        var never: [ExitRecord] = []
        let time = now
        let sent = attempts.filter { id in
            let waiting = nodes[name]?.waiting[id.task.job]
            let place = waiting?.firstIndex { $0.attempt == id }
            if let place { nodes[name]?.waiting[id.task.job]?.remove(at: place) }
            let isHeld = place != nil || nodes[name]?.restoring.removeValue(forKey: id) != nil
            let isUnknown = isHeld && nodes[name]?.named.contains(id) != true
            if isUnknown {
                var record = ExitRecord(attempt: id, status: .neverStarted, ended: time)
                record.cancelled = cancelled
                never.append(record)
            }
            return !isUnknown
        }
        if !never.isEmpty { inbox.post(.event(.exited(name, never))) }
        return sent
    }

    private func forgetFailure(_ id: JobID, _ name: String, _ kind: SupplyError.Kind) {
        guard !isEnding, case .failed = nodes[name]?.supplies[id] else { return }
        // Attempts may have come to wait since, which had been decided upon before the failure was known.
        if kind == .unfit, nodes[name]?.waiting[id] == nil { return }
        nodes[name]?.supplies[id] = nil
        runWaiting(id, on: name)
    }

    /// Milliseconds before a node is tried again that could not be given what a job needs.
    private static let supplyPause: Int64 = 30_000

    /// How far nodes are with what a job needs, in a sentence; nil where none waits.
    func supplyText(of id: JobID) -> String? {
        let texts = nodes.keys.sorted().compactMap { supplyText(of: id, on: $0) }
        guard let first = texts.first else { return nil }
        return texts.count == 1 ? first : "\(first) (and \(texts.count - 1) nodes more)"
    }

    func supplyText(of id: JobID, on name: String) -> String? {
        switch nodes[name]?.supplies[id] {
        case .underway(let text): "node \(name) \(text)"
        case .failed(let reason): "node \(name): \(reason)"
        case .ready, nil: nil
        }
    }
}

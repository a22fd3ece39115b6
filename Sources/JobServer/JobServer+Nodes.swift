public import JobModel
internal import NodeLink
internal import Scheduling
internal import StateStore

// The user's machines: which there are, and which of them take work.

extension JobServer {
    /// Opens the lines to all nodes that are known. One that cannot be reached is tried again; its tasks wait for it.
    func connect(_ known: RestoredNodes, _ store: StateStore) throws(ErrorReport) {
        localName = known.localName
        try connect(localName, spec: nil, store)
        for spec in known.machines {
            apply([.nodeAdded(spec)])
            do throws(ErrorReport) {
                try connect(spec.name, spec: spec, store)
            } catch { note(error.error) }
        }
        for (name, reason) in known.drained.sorted(by: { $0.key < $1.key }) {
            apply([.nodeDrained(name, reason: reason, .wait)])
        }
        for (name, reason) in known.quarantined.sorted(by: { $0.key < $1.key }) {
            apply([.nodeQuarantined(name, reason: reason)])
        }
        for (name, gpus) in known.closedGPUs.sorted(by: { $0.key < $1.key }) {
            apply(gpus.map { .gpuQuarantined(name, gpu: $0.key, reason: $0.value) })
        }
    }

    /// Adds machines, or says anew how they are reached; on disk when it returns. Nobody waits until they are.
    public func addNodes(_ specs: [NodeSpec]) async throws(ErrorReport) {
        guard let store else { throw ErrorReport(error: "the server is not running") }
        for spec in specs where spec.name == localName {
            throw ErrorReport(
                error: "node \(spec.name): this machine has that name",
                hint: "it is a node already; another machine needs another name: --name",
                isUsage: true)
        }
        for spec in specs where nodes[spec.name]?.spec != spec {
            nodes[spec.name]?.line.close()
            // What the old line still delivers must not be taken for the new one's.
            nodes[spec.name]?.files?.close()
            apply([.nodeDisconnected(spec.name, reason: "it was added anew"), .nodeAdded(spec)])
            do throws(ErrorReport) {
                try connect(spec.name, spec: spec, store)
            } catch {
                // A node without a line would be waited for in vain.
                nodes[spec.name] = nil
                apply([.nodeRemoved(spec.name)])
                throw error
            }
            var kept = spec
            kept.takesOver = nil
            write([.machine(kept), nodeEvent(.nodeAdded, spec.name)])
        }
        try await settle()
    }

    /// Forgets a machine. One that has tasks is kept, unless they may be taken for lost.
    public func removeNode(_ name: String, force: Bool) async throws(ErrorReport) {
        let node = try node(name)
        guard node.spec != nil else {
            throw ErrorReport(
                error: "node \(name): this machine is always a node",
                hint: "`martlet nodes drain \(name)` keeps tasks from it", isUsage: true)
        }
        let tasks = state.nodeReports.first { $0.name == name }?.tasks ?? 0
        guard tasks == 0 || force else {
            throw ErrorReport(
                error: "node \(name) has \(tasks) tasks",
                hint:
                    "`martlet nodes drain \(name)` lets them end first; --force takes them for lost",
                isUsage: true)
        }
        // Whoever forgets a node by force has it end what it has, where that can be told.
        if force { node.send(.shutdown) }
        apply([.nodeRemoved(name)])
        node.line.close()
        node.files?.close()
        loseSessions(on: name, "node \(name) was removed")
        nodes[name] = nil
        inbox.pause = Inbox.pause(nodes: nodes.count)
        write([nodeEvent(.nodeRemoved, name)])
        try await settle()
    }

    /// Starts nothing more on a node. Its running tasks end by themselves or, with `requeue`, are ended and queued again.
    public func drainNode(_ name: String, reason: String, requeue: Bool) async throws(ErrorReport) {
        _ = try node(name)
        apply([.nodeDrained(name, reason: reason, requeue ? .requeue : .wait)])
        write([
            .drained(name, reason: reason, isQuarantine: false),
            nodeEvent(.nodeDrained, name, reason.isEmpty ? nil : reason),
        ])
        try await settle()
    }

    /// Lets a drained or quarantined node take work again.
    public func undrainNode(_ name: String) async throws(ErrorReport) {
        _ = try node(name)
        apply([.nodeUndrained(name)])
        write([.undrained(name), nodeEvent(.nodeUndrained, name)])
        try await settle()
    }

    private func node(_ name: String) throws(ErrorReport) -> NodeConnection {
        if let node = nodes[name] { return node }
        throw ErrorReport(
            error: "there is no node \(name)", hint: "`martlet nodes ls` lists them", isUsage: true)
    }

    func write(_ writes: [StoreWrite]) {
        uncommitted.append(PendingCommit(effects: [], ends: []))
        save(writes, .committed)
    }

    /// All writes of rows go through here: `item` comes into the inbox once they are on disk. False where they never will be.
    @discardableResult
    func save(_ writes: [StoreWrite], _ item: Inbox.Item) -> Bool {
        guard let saved = seams.saving() else { return false }
        store?.write(writes) { [inbox] in saved { inbox.post(item) } }
        return true
    }
}

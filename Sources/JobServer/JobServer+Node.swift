internal import JobModel
internal import LinuxSystem
internal import NodeLink
internal import Scheduling
internal import StateStore

extension JobServer {
    /// Opens the line to a node.
    /// - Parameter spec: nil for this machine's own agent.
    func connect(_ name: String, spec: NodeSpec?, _ store: StateStore) throws(ErrorReport) {
        do {
            let head = ServerSeams.Head(identity: try store.identity(), epoch: store.epoch)
            let line = try seams.openNode(spec, head) { [inbox] event in
                inbox.post(.node(name, event))
            }
            nodes[name] = NodeConnection(
                name: name, spec: spec, line: line, files: spec == nil ? nil : try files(of: name))
            inbox.pause = Inbox.pause(nodes: nodes.count)
        } catch { throw ErrorReport(error: "the server cannot reach node \(name): \(error)") }
    }

    private func files(of name: String) throws(SystemError) -> NodeFiles? {
        try seams.bringFiles(
            { [places] in places.attempt($0, on: name) },
            { [inbox] in inbox.post(.event(.exited(name, $0))) },
            { [inbox] in inbox.post(.event(.nodeHeld(name, reason: $0))) })
    }

    func receive(_ event: NodeLine.Event, from name: String, _ events: inout [ServerEvent]) {
        // What a node still says that was removed meanwhile concerns nobody.
        guard nodes[name] != nil else { return }
        switch event {
        case .connected(let hello, let number):
            // Apart from all others: the connection's number has to be known before anything is sent on it.
            if !events.isEmpty { apply(events) }
            events = []
            nodes[name]?.lineNumber = number
            nodes[name]?.stateNumber += 1
            nodes[name]?.announced = []
            nodes[name]?.skills = Set(hello.skills ?? [])
            nodes[name]?.problem = nil
            // The hello decides anew what is told again.
            nodes[name]?.waiting = [:]
            nodes[name]?.named = Set(hello.accepted).union(hello.exited.map(\.attempt))
            // What it has already is not to be laid over.
            nodes[name]?.restored = Set(hello.accepted)
            nodes[name]?.restoring = [:]
            loseSessions(on: name, "the connection to node \(name) had ended")
            note("node \(name) is connected")
            write([nodeEvent(.nodeConnected, name)])
            nodes[name]?.facts = (
                hello.inventory.facts, hello.clock.map { $0.milliseconds - Clock.now() }
            )
            greet(name, hello, number)
        case .message(.started(let records)): events.append(.started(name, records))
        case .message(.exited(let records)):
            if let files = nodes[name]?.files {
                files.intake(records)
            } else {
                events.append(.exited(name, records))
            }
        case .message(.reached(let records)): events.append(.reached(name, records))
        case .message(.held(let reason)): events.append(.nodeHeld(name, reason: reason))
        case .message(.session(let id, let output)): take(output, ofSession: id)
        case .message(.hello), .message(.refused): break
        case .disconnected(let reason):
            if nodes[name]?.problem != reason { note("node \(name) is not connected: \(reason)") }
            if nodes[name]?.problem == nil {
                write([nodeEvent(.nodeDisconnected, name, reason)])
            }
            nodes[name]?.problem = reason
            nodes[name]?.files?.disconnected()
            nodes[name]?.line.hasTasks(
                state.nodeReports.contains { $0.name == name && $0.tasks > 0 })
            loseSessions(on: name, "the connection to node \(name) has ended: \(reason)")
            events.append(.nodeDisconnected(name, reason: reason))
        }
    }

    /// Another machine's ends are known once the files are here; until then it has accepted them.
    private func greet(_ name: String, _ hello: AgentHello, _ number: Int) {
        guard let node = nodes[name], let files = node.files else {
            return apply([.nodeConnected(name, NodeHello(hello))])
        }
        let open: NodeFiles.Open = { request, receive throws(LinkError) in
            try node.line.open(request, number, receive)
        }
        var known = NodeHello(hello)
        known.accepted += known.exited.map(\.attempt)
        known.exited = []
        nodes[name]?.supplies = [:]
        nodes[name]?.sharesJobs = nil
        files.connected(open)
        apply([.nodeConnected(name, known)])
        if hello.skills?.contains(AgentSkill.files) == true {
            node.line.send(.jobs(state.activeJobs), number)
        }
        files.intake(hello.exited)
        do throws(SystemError) {
            try SharedJobs(in: directories.state + "/jobs").ask(open) { [weak self, pace] answer in
                pace.start { [weak self] in await self?.learn(name, number, sharesJobs: answer) }
            }
        } catch { learn(name, number, sharesJobs: false) }
    }

    private func learn(_ name: String, _ number: Int, sharesJobs: Bool) {
        guard nodes[name]?.lineNumber == number else { return }
        nodes[name]?.sharesJobs = sharesJobs
        for id in (nodes[name]?.waiting ?? [:]).keys.sorted() { runWaiting(id, on: name) }
    }

    /// Sends attempts to their node, each job's template before its first.
    func run(_ dispatches: [Dispatch], on name: String, connection: Int) {
        guard let node = nodes[name], node.stateNumber == connection else { return }
        var tasks: [RunTask] = []
        for dispatch in dispatches {
            let job = dispatch.attempt.task.job
            guard announce(job, to: name) else {
                nodes[name]?.waiting[job, default: []].append(dispatch)
                continue
            }
            guard hasCheckpoint(dispatch, on: name), let expansion = expansions[job] else {
                continue
            }
            var task = RunTask(
                attempt: dispatch.attempt, point: expansion.point(at: dispatch.attempt.task.index),
                placement: dispatch.placement, memory: dispatch.memory)
            task.time = dispatch.time
            task.gang = dispatch.gang?.member(dispatch.rank, address: state.address)
            tasks.append(task)
        }
        node.send(tasks) { .run($0) }
        if !sessions.isEmpty { openSessions(with: tasks.map(\.attempt), on: name) }
    }

    /// Tells the node of a job once a connection; false while what its tasks need is not there.
    private func announce(_ id: JobID, to name: String) -> Bool {
        guard let node = nodes[name], !node.announced.contains(id) else { return true }
        guard let job = state.job(id), node.files == nil || node.sharesJobs != nil,
            let supplies = supplies(of: id, on: name)
        else { return false }
        var spec = job.spec
        // Points come with the tasks.
        spec.sweep = ParameterSweep()
        var copies: [Int] = []
        for place in spec.mounts.indices where spec.mounts[place].kind == .bind {
            let source = spec.mounts[place].source
            guard let mount = supplies.mounts[source] else { continue }
            spec.mounts[place].source = mount.path
            if !mount.isShared { copies.append(place) }
        }
        var template = JobTemplate(
            job: id, spec: spec, taskCount: job.taskCount, root: supplies.root,
            directory: node.spec == nil || node.sharesJobs == true && !places.isGang(id)
                ? places.job(id, on: name) : JobTemplate.keptDirectory(id))
        template.secrets = supplies.secrets
        if !copies.isEmpty { template.copies = copies }
        node.send(.job(template))
        nodes[name]?.announced.insert(id)
        return true
    }

    /// What became known: what waited for it goes out, but for what has ended meanwhile. The node may have forgotten
    /// those, and would run them again.
    func runWaiting(_ id: JobID, on name: String) {
        guard let node = nodes[name], let waiting = node.waiting[id] else { return }
        nodes[name]?.waiting[id] = nil
        run(waiting.filter { state.isLive($0.attempt) }, on: name, connection: node.stateNumber)
    }

    /// Tells the nodes that know of the job what it is now.
    func retell(_ id: JobID) {
        for name in nodes.keys.sorted() where nodes[name]?.announced.remove(id) != nil {
            _ = announce(id, to: name)
        }
    }

    func runWaiting(_ id: JobID) {
        for name in nodes.keys.sorted() { runWaiting(id, on: name) }
    }
}

extension NodeHello {
    init(_ hello: AgentHello) {
        self.init(
            inventory: hello.inventory,
            incarnation: NodeIncarnation(
                agentEpoch: hello.agentEpoch, launcherEpoch: hello.launcherEpoch,
                bootID: hello.bootID),
            accepted: hello.accepted, started: hello.started, exited: hello.exited)
    }
}

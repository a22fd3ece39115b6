internal import JobModel
internal import LinuxSystem
internal import NodeLink
internal import Scheduling
internal import StateStore

/// What this server remembers of its line to a node.
struct NodeConnection: Sendable {
    let name: String
    let line: NodeLine
    /// Of the line and of the state: what was decided for an older one is not sent.
    var lineNumber = 0
    var stateNumber = 0
    /// Jobs that were told on this connection.
    var announced: Set<JobID> = []

    func send(_ message: ToAgent) { line.send(message, lineNumber) }

    /// In messages that are not too long.
    func send<Element>(_ elements: [Element], _ message: ([Element]) -> ToAgent) {
        for start in stride(from: 0, to: elements.count, by: Frame.batch) {
            send(message(Array(elements[start..<min(start + Frame.batch, elements.count)])))
        }
    }
}

extension JobServer {
    func connectNode(_ name: String, _ store: StateStore) throws(ErrorReport) {
        do {
            let line = try seams.openNode(try store.identity()) { [inbox] event in
                inbox.post(.node(event))
            }
            node = NodeConnection(name: name, line: line)
        } catch { throw ErrorReport(error: "the server cannot reach its node: \(error)") }
    }

    func receive(_ event: NodeLine.Event, _ events: inout [ServerEvent]) {
        guard let name = node?.name else { return }
        switch event {
        case .connected(let hello, let number):
            // Apart from all others: the connection's number has to be known before anything is sent on it.
            if !events.isEmpty { apply(events) }
            events = []
            node?.lineNumber = number
            node?.stateNumber += 1
            node?.announced = []
            // The hello decides anew what is told again.
            rootless = [:]
            loseSessions("the connection to node \(name) had ended")
            note("node \(name) is connected")
            apply([.nodeConnected(name, NodeHello(hello))])
        case .message(.started(let records)): events.append(.started(name, records))
        case .message(.exited(let records)): events.append(.exited(name, records))
        case .message(.held(let reason)): events.append(.nodeHeld(name, reason: reason))
        case .message(.session(let id, let output)): take(output, ofSession: id)
        case .message(.hello), .message(.refused): break
        case .disconnected(let reason):
            note("node \(name) is not connected: \(reason)")
            loseSessions("the connection to node \(name) has ended: \(reason)")
            events.append(.nodeDisconnected(name, reason: reason))
        }
    }

    /// Sends attempts to their node, each job's template before its first.
    func run(_ dispatches: [Dispatch], connection: Int) {
        guard let node, node.stateNumber == connection else { return }
        var tasks: [RunTask] = []
        for dispatch in dispatches {
            let job = dispatch.attempt.task.job
            guard announce(job) else {
                rootless[job, default: []].append(dispatch)
                continue
            }
            guard let expansion = expansions[job] else { continue }
            tasks.append(
                RunTask(
                    attempt: dispatch.attempt,
                    point: expansion.point(at: dispatch.attempt.task.index),
                    placement: dispatch.placement, memory: dispatch.memory))
        }
        node.send(tasks) { .run($0) }
        if !sessions.isEmpty { openSessions(with: tasks.map(\.attempt)) }
    }

    /// Tells the node of a job once a connection; false while its root filesystem is not known.
    private func announce(_ id: JobID) -> Bool {
        guard let node, !node.announced.contains(id) else { return true }
        guard let root = roots[id], let job = state.job(id) else { return false }
        var spec = job.spec
        // Points come with the tasks.
        spec.sweep = ParameterSweep()
        node.send(
            .job(
                JobTemplate(
                    job: id, spec: spec, taskCount: job.taskCount, root: root,
                    directory: directories.jobDirectory(id.rawValue))))
        self.node?.announced.insert(id)
        return true
    }

    /// A root filesystem became known: what waited for it goes out, but for what has ended meanwhile. The node may have forgotten
    /// those, and would run them again.
    func runRootless(_ id: JobID) {
        guard let waiting = rootless.removeValue(forKey: id), let node else { return }
        run(waiting.filter { state.isLive($0.attempt) }, connection: node.stateNumber)
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

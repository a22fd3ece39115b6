public import JobModel
internal import NodeLink
internal import Scheduling

/// Somebody who sits at a process through this server.
struct OpenSession {
    let request: SessionRequest
    let outputs: AsyncStream<SessionOutput>
    let told: AsyncStream<SessionOutput>.Continuation
    /// The node that knows of it; nil while its task has not been sent yet.
    var node: String?
    /// Somebody reads the outputs.
    var isTaken = false
    /// It has ended before that.
    var isOver = false
}

extension JobServer {
    /// Opens a session and returns its number; `outputs` is to be asked for soon. Throws where there is nothing to sit at.
    public func openSession(_ request: SessionRequest) async throws(ErrorReport) -> Int64 {
        // The server may have been started only to be asked this.
        if !state.nodeReports.contains(where: \.isConnected) { await awaitNode(isConnected: true) }
        let attempt = try sessionAttempt(request)
        let place = node(of: request.task)
        guard state.nodeReports.contains(where: { $0.isConnected && $0.name == place ?? $0.name })
        else {
            throw ErrorReport(
                error: "task \(request.task): its node is not connected",
                hint: "`martlet nodes ls` tells why")
        }
        lastSession += 1
        let id = lastSession
        let (outputs, told) = AsyncStream.makeStream(of: SessionOutput.self)
        sessions[id] = OpenSession(request: request, outputs: outputs, told: told)
        if let attempt { openOnNode(id, attempt) }
        Task { [weak self] in
            // A cut-short pause only closes earlier what nobody wants.
            try? await Task.sleep(for: Self.patience)
            await self?.closeUntaken(id)
        }
        return id
    }

    /// Within which the outputs of a session have to be asked for.
    private static let patience: Duration = .seconds(10)

    /// What the process says; once. Nil where there is no such session. It ends with the session.
    public func outputs(ofSession id: Int64) -> AsyncStream<SessionOutput>? {
        guard let session = sessions[id], !session.isTaken else { return nil }
        sessions[id]?.isTaken = true
        if session.isOver { sessions[id] = nil }
        return session.outputs
    }

    public func tell(session id: Int64, _ input: SessionInput) {
        guard let session = sessions[id] else { return }
        if let name = session.node { nodes[name]?.send(.session(id, input)) }
    }

    /// Whoever sat there has gone.
    public func closeSession(_ id: Int64) {
        guard let session = sessions.removeValue(forKey: id) else { return }
        session.told.finish()
        guard !session.isOver else { return }
        if let name = session.node {
            nodes[name]?.send(.session(id, .hangUp))
        } else if session.request.target == .task {
            // It was to run for nobody else.
            let task = session.request.task
            apply([
                .cancelRequested(
                    TaskSelection(job: task.job, ranges: [task.index..<task.index + 1]))
            ])
        }
    }

    private func closeUntaken(_ id: Int64) {
        if sessions[id]?.isTaken == false { closeSession(id) }
    }

    // MARK: Which attempt

    /// Nil for a task to sit at that has not been sent to its node yet.
    private func sessionAttempt(_ request: SessionRequest) throws(ErrorReport) -> AttemptID? {
        let task = request.task
        let job = try job(task.job)
        guard (0..<job.taskCount).contains(task.index) else {
            throw ErrorReport(error: "there is no task \(task)", isUsage: true)
        }
        if request.target == .task, job.spec.interaction == nil {
            throw ErrorReport(
                error: "task \(task) is one that nobody sits at",
                hint: "`martlet shell \(task)` opens a shell beside it", isUsage: true)
        }
        let live = job.isFinal ? nil : state.liveTasks(of: task.job)[task.index]
        if case .port(let port) = request.target { try check(port, of: task, job.spec.network) }
        if let live, request.target == .task || live.started != nil {
            return isYetToBeSent(task) ? nil : AttemptID(task: task, number: live.attempt)
        }
        let standing = job.isLoaded ? job.state(of: task.index) : nil
        if request.target == .task {
            // One that has ended already may still be waited for on its node, with what it said.
            return standing == .queued ? nil : AttemptID(task: task, number: 1)
        }
        throw ErrorReport(
            error: "task \(task) does not run: "
                + (live != nil
                    ? "it is being started" : standing.map(Self.words) ?? "its job has ended"),
            isUsage: true)
    }

    private func check(_ port: UInt16, of task: TaskID, _ network: Network) throws(ErrorReport) {
        guard case .private(let ports) = network,
            !ports.contains(where: { $0.taskPort == port && $0.transport == .tcp })
        else { return }
        let others = ports.map { "\($0.taskPort)" }.joined(separator: ", ")
        throw ErrorReport(
            error: "task \(task) publishes no TCP port \(port)"
                + (others.isEmpty ? "" : ", but \(others)"),
            hint: "submit it with `-p :\(port)`", isUsage: true)
    }

    /// Its dispatch is being saved, or waits for its root filesystem: the node has not heard of it.
    private func isYetToBeSent(_ task: TaskID) -> Bool {
        func isAmong(_ dispatches: [Dispatch]) -> Bool {
            dispatches.contains { $0.attempt.task == task }
        }
        return nodes.values.contains { isAmong(($0.waiting[task.job] ?? []) + $0.restoring.values) }
            || uncommitted.contains { commit in
                commit.effects.contains {
                    if case .run(_, _, let dispatches) = $0 { isAmong(dispatches) } else { false }
                }
            }
    }

    private static func words(_ state: TaskState) -> String {
        switch state {
        case .queued: "it is queued"
        case .running: "it is being started"
        case .succeeded, .failed: "it has \(state.rawValue)"
        case .cancelled, .lost, .stopped: "it was \(state.rawValue)"
        }
    }

    private func openOnNode(_ id: Int64, _ attempt: AttemptID) {
        guard let request = sessions[id]?.request else { return }
        // Of one that has ended this machine may know what it said; other nodes have handed all on.
        let name = node(of: request.task) ?? localName
        sessions[id]?.node = name
        nodes[name]?.send(.open(session: id, attempt, request))
    }

    /// Where a task is, as far as is known.
    private func node(of task: TaskID) -> String? {
        state.liveTasks(of: task.job)[task.index]?.placement.node
    }

    // MARK: What becomes of them

    /// Attempts have been sent to their node: whoever waits for one follows it.
    func openSessions(with attempts: [AttemptID], on name: String) {
        for (id, session) in sessions where session.node == nil && !session.isOver {
            if let attempt = attempts.first(where: { $0.task == session.request.task }) {
                openOnNode(id, attempt)
            }
        }
    }

    func take(_ output: SessionOutput, ofSession id: Int64) {
        guard let session = sessions[id] else { return }
        session.told.yield(output)
        if case .ended = output { end(id) }
    }

    /// The line to the node has ended, and with it every session: none is resumed.
    func loseSessions(on name: String, _ reason: String) {
        for (id, session) in sessions where session.node == name {
            session.told.yield(.ended(.lost(reason)))
            end(id)
        }
    }

    /// No task of the job will start any more.
    func endSessions(waitingFor job: JobID) {
        for (id, session) in sessions
        where session.node == nil && !session.isOver && session.request.task.job == job {
            session.told.yield(.ended(.neverStarted))
            end(id)
        }
    }

    /// What it said is kept for whoever has not asked for it yet.
    private func end(_ id: Int64) {
        guard let session = sessions[id] else { return }
        session.told.finish()
        sessions[id] = session.isTaken ? nil : session
        sessions[id]?.isOver = true
        sessions[id]?.node = nil
    }
}

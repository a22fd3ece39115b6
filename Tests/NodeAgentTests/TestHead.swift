import Foundation
import JobModel
import LinuxSystem
import NodeLink
import Synchronization

/// A head that keeps what it is told, and follows the rules for a hello: it tells jobs and running tasks again, and gives
/// what the node never started a new attempt.
final class TestHead: Sendable {
    struct State {
        var connection: AgentLink.Connection?
        var link: AgentLink?
        var templates: [JobID: JobTemplate] = [:]
        /// What each task's current attempt was sent as.
        var dispatched: [TaskID: RunTask] = [:]
        var hellos: [AgentHello] = []
        var started: [AttemptID: StartRecord] = [:]
        var exited: [AttemptID: [ExitRecord]] = [:]
        var rungs: [AttemptID: [RungRecord]] = [:]
        /// Attempts that the node never had, as its hello showed.
        var neverStarted: Set<AttemptID> = []
        var lost: Set<AttemptID> = []
        var held: [String?] = []
        var disconnects: [String] = []
        var acknowledges = true
        var retriesLost = false
    }

    let state = Mutex(State())

    init(
        _ transport: AgentLink.Transport, hello: HeadHello = HeadHello(head: "head"),
        startAgent: @escaping @Sendable () throws -> Void = {}
    ) throws {
        let link = try AgentLink(transport, hello: hello, startAgent: startAgent) { [weak self] in
            self?.take($0)
        }
        state.withLock { $0.link = link }
        try link.start()
    }

    convenience init(_ agent: AgentUnderTest, hello: HeadHello = HeadHello(head: "head")) throws {
        try self.init(
            .socket(agent.directories.agentSocket), hello: hello, startAgent: agent.start)
    }

    func close() { state.withLock { $0.link }?.close() }

    deinit { state.withLock { $0.link }?.close() }

    func send(_ message: ToAgent) {
        state.withLock { state in
            if let connection = state.connection { state.link?.send(message, on: connection) }
        }
    }

    func run(_ template: JobTemplate, _ tasks: [RunTask]) {
        state.withLock { state in
            state.templates[template.job] = template
            for task in tasks { state.dispatched[task.attempt.task] = task }
        }
        send(.job(template))
        for batch in stride(from: 0, to: tasks.count, by: Frame.batch) {
            send(.run(Array(tasks[batch..<min(batch + Frame.batch, tasks.count)])))
        }
    }

    /// The last record of an attempt.
    func exit(_ attempt: AttemptID) -> ExitRecord? {
        state.withLock { $0.exited[attempt]?.last }
    }
    static func path(_ attempt: AttemptID, in template: JobTemplate) -> String {
        template.directory + "/tasks/\(attempt.task.index)/\(attempt.number)"
    }
    var isConnected: Bool { state.withLock { $0.connection != nil } }

    private func take(_ event: AgentLink.Event) {
        let answers = state.withLock { state -> [ToAgent] in
            switch event {
            case .connected(let hello, let connection):
                state.connection = connection
                return Self.reconcile(&state, hello)
            case .message(.started(let starts)):
                for start in starts { state.started[start.attempt] = start }
            case .message(.reached(let records)):
                for record in records { state.rungs[record.attempt, default: []].append(record) }
            case .message(.exited(let exits)): return Self.note(&state, exits)
            case .message(.held(let reason)): state.held.append(reason)
            case .message(.hello), .message(.session), .message(.refused): break
            case .disconnected(let reason):
                state.connection = nil
                state.disconnects.append(reason)
            }
            return []
        }
        for answer in answers { send(answer) }
    }

    private static func note(_ state: inout State, _ exits: [ExitRecord]) -> [ToAgent] {
        var again: [RunTask] = []
        for exit in exits {
            state.exited[exit.attempt, default: []].append(exit)
            guard case .lost = exit.status else { continue }
            state.lost.insert(exit.attempt)
            if state.retriesLost, let task = next(&state, after: exit.attempt) {
                again.append(task)
            }
        }
        let acknowledge: [ToAgent] =
            state.acknowledges ? [.acknowledge(exits.map(\.attempt))] : []
        return acknowledge + (again.isEmpty ? [] : [.run(again)])
    }

    /// The next attempt of a task whose current one is `attempt`.
    private static func next(_ state: inout State, after attempt: AttemptID) -> RunTask? {
        guard var task = state.dispatched[attempt.task], task.attempt == attempt else { return nil }
        task.attempt = AttemptID(task: attempt.task, number: attempt.number + 1)
        state.dispatched[attempt.task] = task
        return task
    }

    private static func reconcile(_ state: inout State, _ hello: AgentHello) -> [ToAgent] {
        let former = state.hellos.last
        state.hellos.append(hello)
        for start in hello.started { state.started[start.attempt] = start }
        // Those that follow from this hello are yet to be sent.
        let sent = Set(state.dispatched.values.map(\.attempt))
        var answers: [ToAgent] = state.templates.values.map { .job($0) }
        answers += note(&state, hello.exited)
        let known = Set(hello.accepted).union(hello.exited.map(\.attempt))
        var runs: [RunTask] = []
        for task in state.dispatched.values
        where state.exited[task.attempt] == nil && sent.contains(task.attempt) {
            if known.contains(task.attempt) {
                runs.append(task)
            } else if let former, former.launcherEpoch != hello.launcherEpoch,
                former.agentEpoch != hello.agentEpoch
            {
                state.lost.insert(task.attempt)
                if state.retriesLost, let task = next(&state, after: task.attempt) {
                    runs.append(task)
                }
            } else if let task = next(&state, after: task.attempt) {
                state.neverStarted.insert(
                    AttemptID(task: task.attempt.task, number: task.attempt.number - 1))
                runs.append(task)
            }
        }
        // What has ended here and is still kept there.
        let settled = hello.accepted.filter { state.exited[$0] != nil }
        if state.acknowledges, !settled.isEmpty { answers.append(.acknowledge(settled)) }
        return answers + (runs.isEmpty ? [] : [.run(runs)])
    }
}

func attempt(_ job: Int64 = 1, _ index: Int = 0, _ number: Int = 1) -> AttemptID {
    AttemptID(task: TaskID(job: JobID(job), index: index), number: number)
}

func task(
    _ attempt: AttemptID, cpus: [Int] = [], point: Point = Point(), memory: Int64? = nil
) -> RunTask {
    RunTask(
        attempt: attempt, point: point,
        placement: Placement(node: "local", cpus: cpus, numaNodes: []), memory: memory)
}

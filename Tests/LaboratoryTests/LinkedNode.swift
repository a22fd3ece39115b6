import Foundation
import JobModel
import Laboratory
import LinuxSystem
import NodeLink
import Synchronization

/// A link of a head's to a laboratory's node, and what came over it.
final class LinkedNode: Sendable {
    struct State {
        var hellos: [AgentHello] = []
        var problems: [String] = []
        var connection: AgentLink.Connection?
        var exited: [ExitRecord] = []
    }
    let state = Mutex(State())
    let link: AgentLink

    /// Where the programs are that were built: by `make build`, or below `MARTLET_TEST_PROGRAMS`.
    static let programs: String = {
        let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().path
        return ProcessEnvironment.all()["MARTLET_TEST_PROGRAMS"] ?? repository + "/.build/bin"
    }()
    static let isPossible = Laboratory.isPossible && Files.exists(programs + "/martlet-agent")

    init(
        _ laboratory: Laboratory, _ node: NodeSpec, budget: ConnectionBudget = ConnectionBudget(),
        programs: String = LinkedNode.programs, hello: HeadHello = HeadHello(head: "head")
    ) throws {
        let directories = Directories(
            state: laboratory.folder, data: laboratory.folder, run: laboratory.folder, config: "")
        let ssh = try OpenSSH(
            node, programs: AgentPrograms(in: programs, directories), budget: budget,
            environment: laboratory.environment)
        let outlet = Outlet()
        link = try AgentLink(.ssh(ssh), hello: hello) { event in
            outlet.node.withLock { $0 }?.take(event)
        }
        outlet.node.withLock { $0 = self }
        try link.start()
    }

    convenience init(_ laboratory: Laboratory, _ number: Int = 0) throws {
        let name = laboratory.nodes[number].name
        try self.init(laboratory, NodeSpec(name: name, destination: name))
    }

    func close() { link.close() }

    /// Known before the link's first event: its thread has not begun.
    private final class Outlet: Sendable { let node = Mutex<LinkedNode?>(nil) }

    var isConnected: Bool { state.withLock { $0.connection != nil } }
    var hellos: [AgentHello] { state.withLock { $0.hellos } }
    var lastProblem: String { state.withLock { $0.problems.last ?? "" } }

    func send(_ message: ToAgent) {
        if let connection = state.withLock({ $0.connection }) { link.send(message, on: connection) }
    }

    /// One attempt of a task on the node's own root.
    func start(_ command: [String]) {
        var spec = JobSpec(name: "x", image: "host", command: command)
        spec.resources.cpus = 0
        let template = JobTemplate(
            job: JobID(1), spec: spec, taskCount: 1, root: .host, directory: "/var/tmp/job")
        let attempt = AttemptID(task: TaskID(job: JobID(1), index: 0), number: 1)
        let place = Placement(node: "node", cpus: [], numaNodes: [])
        send(.job(template))
        send(.run([RunTask(attempt: attempt, point: Point([]), placement: place)]))
    }

    /// The records of its end.
    func runTask(_ command: [String]) async throws -> [ExitRecord] {
        start(command)
        _ = try await eventually { self.state.withLock { !$0.exited.isEmpty } }
        return state.withLock { $0.exited }
    }

    private func take(_ event: AgentLink.Event) {
        state.withLock { state in
            switch event {
            case .connected(let hello, let connection):
                state.hellos.append(hello)
                state.connection = connection
            case .message(.exited(let records)): state.exited += records
            case .message: break
            case .disconnected(let problem):
                state.connection = nil
                state.problems.append(problem)
            }
        }
    }
}

/// Awaits what another thread brings about; false after `seconds`.
func eventually(seconds: Double = 30, _ condition: () throws -> Bool) async throws -> Bool {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while ContinuousClock.now < deadline {
        if try condition() { return true }
        try await Task.sleep(for: .milliseconds(5))
    }
    return try condition()
}

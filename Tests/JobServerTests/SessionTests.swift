import FoundationEssentials
import JobModel
import Testing

@testable import JobServer

@Suite("Sessions of the server", .timeLimit(.minutes(1)))
struct SessionTests {
    private static let interaction = Interaction(stdin: true, terminal: nil)

    private func attach(_ id: JobID) -> SessionRequest {
        SessionRequest(task: TaskID(job: id, index: 0), .task, Self.interaction)
    }

    private func command(_ id: JobID, _ index: Int = 0) -> SessionRequest {
        SessionRequest(
            task: TaskID(job: id, index: index), .command(SessionCommand(arguments: ["true"])),
            Self.interaction)
    }

    private func all(_ outputs: AsyncStream<SessionOutput>?) async -> [SessionOutput] {
        var all: [SessionOutput] = []
        if let outputs { for await output in outputs { all.append(output) } }
        return all
    }

    @Test("whoever sits at a task follows it to its node, never before it, and hears it to its end")
    func attachFollows() async throws {
        let head = Head()
        defer { head.remove() }
        let server = try await head.start()
        head.node.connect()
        let id = try await server.submit { $0.interaction = Self.interaction }
        let session = try await server.openSession(attach(id))
        await head.node.hears { !$0.sessions.isEmpty }
        #expect(head.node.order == ["run \(id)_0.1", "open \(id)_0.1"])
        let outputs = await server.outputs(ofSession: session)
        #expect(await server.outputs(ofSession: session) == nil)
        let said: [SessionOutput] = [.opened, .bytes(.stdout, Data([7])), .ended(.code(3))]
        for output in said { head.node.say(output, in: session) }
        #expect(await all(outputs) == said)
    }

    @Test("what was said before anybody asked is kept, to its end")
    func endsEarly() async throws {
        let head = Head()
        defer { head.remove() }
        let server = try await head.start()
        head.node.connect()
        let id = try await server.submit { $0.interaction = Self.interaction }
        let session = try await server.openSession(attach(id))
        await head.node.hears { !$0.sessions.isEmpty }
        head.node.say(.ended(.code(0)), in: session)
        // The node says things in order.
        head.node.end([AttemptID(task: TaskID(job: id, index: 0), number: 1)])
        _ = try await server.await(id) { $0.state.isFinal }
        #expect(await all(await server.outputs(ofSession: session)) == [.ended(.code(0))])
    }

    @Test("a line that ends takes its sessions along, and says so")
    func disconnect() async throws {
        let head = Head()
        defer { head.remove() }
        let server = try await head.start()
        head.node.connect()
        let id = try await server.submit { $0.interaction = Self.interaction }
        let session = try await server.openSession(attach(id))
        await head.node.hears { !$0.sessions.isEmpty }
        let outputs = await server.outputs(ofSession: session)
        head.node.disconnect()
        guard case .ended(.lost(let why))? = await all(outputs).last else {
            Issue.record("it did not end")
            return
        }
        #expect(why.contains("cut"))
    }

    @Test("who leaves a task before it starts cancels it, and who leaves a process hangs up")
    func leaving() async throws {
        let head = Head()
        defer { head.remove() }
        let server = try await head.start()
        head.node.connect()
        // Its image does not come.
        head.images.close()
        defer { head.images.open() }
        let waiting = try await server.submit(image: "slow") { $0.interaction = Self.interaction }
        await server.closeSession(try await server.openSession(attach(waiting)))
        #expect(try await server.await(waiting) { $0.state.isFinal }.state == .cancelled)
        let id = try await server.submit { $0.interaction = Self.interaction }
        let session = try await server.openSession(attach(id))
        await head.node.hears { !$0.sessions.isEmpty }
        await server.closeSession(session)
        await head.node.hears { $0.order.last == "hang up" }
    }

    @Test("where there is nothing to sit at, whoever asked is told what to ask instead")
    func refusals() async throws {
        let head = Head()
        defer { head.remove() }
        let server = try await head.start()
        head.node.connect()
        let id = try await server.submit()
        for request in [command(id), command(id, 1), attach(id)] {
            await #expect(throws: ErrorReport.self) { try await server.openSession(request) }
        }
        await head.node.hears { $0.runs.count == 1 }
        head.node.start([AttemptID(task: TaskID(job: id, index: 0), number: 1)])
        _ = try await server.await(id) { $0.started != nil }
        _ = try await server.openSession(command(id))
        head.node.end([AttemptID(task: TaskID(job: id, index: 0), number: 1)])
        _ = try await server.await(id) { $0.state.isFinal }
        do {
            _ = try await server.openSession(command(id))
            Issue.record("it was opened")
        } catch {
            #expect(error.isUsage == true && error.error.contains("does not run"))
        }
    }
}

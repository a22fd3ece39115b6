import Foundation
import JobModel
import NodeLink
import Testing

@testable import JobServer

/// What goes to other machines before a job's first task there.
final class PretendedSupplies: @unchecked Sendable {
    // Everything below is touched under `gate` alone.
    private let gate = NSCondition()
    private var answer: Result<NodeSupplies, SupplyError>?

    func answer(_ result: Result<NodeSupplies, SupplyError>) {
        gate.withLock { answer = result }
        gate.broadcast()
    }

    private var note: String?

    /// Told with each that is brought from now on.
    func note(_ text: String) { gate.withLock { note = text } }

    func bring(_ tell: (SupplyNews) -> Void) throws(SupplyError) -> NodeSupplies {
        if let note = gate.withLock({ note }) { tell(.note(note)) }
        gate.lock()
        defer { gate.unlock() }
        while true {
            if let answer { return try answer.get() }
            gate.wait()
        }
    }
}

@Suite struct SupplyTests {
    private static func head() async throws -> (Head, JobServer) {
        let head = Head()
        let server = try await head.start()
        try await server.addNodes([NodeSpec(name: "far", destination: "far")])
        head.far.connect()
        return (head, server)
    }

    @Test func aTaskIsSentOnceAllIsThere() async throws {
        let (head, server) = try await Self.head()
        defer { head.remove() }
        let id = try await server.submit()
        _ = try await server.await(id) { $0.reason == "node far is being prepared" }
        #expect(head.far.runs.isEmpty)
        head.supplies.answer(.success(NodeSupplies(root: .host)))
        await head.far.hears { $0.runs == ["1_0.1"] }
        await server.shutdown(stopNodes: false)
    }

    @Test func whatANodeDoesNotGetIsSaidWithTheJobOnceAndByTheNextServer() async throws {
        let (head, server) = try await Self.head()
        defer { head.remove() }
        head.supplies.note("mount /data: 1 pipe stays here")
        head.supplies.answer(.success(NodeSupplies(root: .host)))
        let id = try await server.submit()
        let notes = ["mount /data: 1 pipe stays here"]
        #expect(try await server.await(id) { $0.notes != nil }.notes == notes)
        await head.far.hears { $0.runs == ["1_0.1"] }
        // Another connection, and what it brings.
        head.far.disconnect()
        head.far.connect()
        await head.far.hears { !$0.runs.isEmpty }
        #expect(try await server.report(TaskSelection(job: id)).notes == notes)

        let next = try await head.start()
        #expect(try await next.summary(id).notes == notes)
        await next.shutdown(stopNodes: false)
    }

    @Test func whatIsCancelledMeanwhileEndsAtOnce() async throws {
        let (head, server) = try await Self.head()
        defer { head.remove() }
        let id = try await server.submit()
        _ = try await server.await(id) { $0.reason == "node far is being prepared" }
        _ = try await server.cancel([TaskSelection(job: id)])
        let ended = try await server.await(id) { $0.state.isFinal }
        #expect(ended.state == .cancelled)
        head.supplies.answer(.success(NodeSupplies(root: .host)))
        // What is sent after it shows that it was not.
        _ = try await server.submit()
        await head.far.hears { $0.runs.contains("2_0.1") }
        #expect(head.far.runs == ["2_0.1"])
        await server.shutdown(stopNodes: false)
    }

    @Test func whatRunsThereStaysThereWhenNothingCanBeBrought() async throws {
        let (head, first) = try await Self.head()
        defer { head.remove() }
        head.supplies.answer(.success(NodeSupplies(root: .host)))
        let id = try await first.submit()
        await head.far.hears { $0.runs == ["1_0.1"] }
        await first.shutdown(stopNodes: false)

        head.supplies.answer(.failure(SupplyError(.passing, "there is no room")))
        let second = try await head.start()
        head.far.connect(accepted: AttemptID.of("1_0.1"), started: AttemptID.of("1_0.1"))
        head.node.connect()
        _ = try await second.await(id) { $0.reason?.contains("there is no room") == true }
        // What is sent after it shows that it was not.
        _ = try await second.submit { $0.resources.cpus = 2 }
        await head.node.hears { $0.runs.contains { $0.hasPrefix("2_0.") } }
        #expect(try await second.states(id) == [.running])
        #expect(!head.node.runs.contains { $0.hasPrefix("1_") })
        await second.shutdown(stopNodes: false)
    }

    @Test func whatCannotBeBroughtGoesElsewhere() async throws {
        let (head, server) = try await Self.head()
        defer { head.remove() }
        head.supplies.answer(.failure(SupplyError(.unfit, "it is too far")))
        let id = try await server.submit()
        _ = try await server.await(id) { $0.reason?.contains("it is too far") == true }
        head.node.connect()
        await head.node.hears { $0.runs == ["1_0.2"] || $0.runs == ["1_0.1"] }
        await server.shutdown(stopNodes: false)
    }
}

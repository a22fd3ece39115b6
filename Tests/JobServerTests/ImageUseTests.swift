import ImageStore
import JobModel
import LinuxSystem
import Testing

@testable import JobServer

/// No removal takes an image away from a job that needs it.
@Suite("Images in use")
struct ImageUseTests {
    @Test("an image is held before the first task is sent, and released after the last")
    func held() async throws {
        let head = Head()
        defer { head.remove() }
        let server = try await head.start()
        head.node.connect()
        let id = try await server.submit(2, image: "registry/image:tag")
        await head.node.hears { $0.runs.count == 2 }
        #expect(head.images.held == [id])
        head.node.end(AttemptID.of("1_0.1", "1_1.1"))
        _ = try await server.await(id) { $0.state.isFinal }
        await head.images.hasReleased(id)
        #expect(head.images.held == [])
    }

    @Test("an image that was removed before it could be held is fetched again")
    func removed() async throws {
        let head = Head()
        defer { head.remove() }
        head.images.removeNext()
        let server = try await head.start()
        head.node.connect()
        let id = try await server.submit(1, image: "registry/image:tag")
        await head.node.hears { $0.runs.count == 1 }
        #expect(head.images.fetches.count == 2 && head.images.held == [id])
    }

    @Test("a job that is cancelled while its image comes holds nothing")
    func cancelled() async throws {
        let head = Head()
        defer { head.remove() }
        head.images.close()
        let server = try await head.start()
        head.node.connect()
        let id = try await server.submit(1, image: "registry/image:tag")
        _ = try await server.cancel([TaskSelection(job: id)])
        _ = try await server.await(id) { $0.state.isFinal }
        head.images.open()
        await head.images.hasReleased(id)
        #expect(head.images.held == [])
    }

    @Test("a server that starts again keeps holding for jobs that go on, and for no others")
    func restarted() async throws {
        let head = Head()
        defer { head.remove() }
        let first = try await head.start()
        head.node.connect()
        let id = try await first.submit(1, image: "registry/image:tag")
        await head.node.hears { $0.runs.count == 1 }
        // Of a job that ended unseen.
        #expect(head.images.hold(JobID(99)))
        head.images.close()
        _ = try await head.start()
        #expect(head.images.held == [id])
        head.images.open()
    }
}

import JobModel
import Testing

@testable import JobServer

@Suite("Who is told")
struct WholeToldTests {
    @Test("of a first failure nobody is told again by another server, though the job goes on")
    func once() async throws {
        // On a thread of its own: it waits for that of the store.
        let (told, violations) = try await ServerPace().value {
            let world = WholeWorld()
            defer { world.remove() }
            world.nodes = [
                WholeNode("local", cpus: 2) { _, _, _ in
                    WholeWork(length: 60_000, status: .code(1))
                }
            ]
            var spec = JobSpec(name: "job", image: "host", command: ["true"])
            spec.notify = Notification(on: [.failed, .firstFailure], run: "tell")
            let request = SubmitRequest(spec: spec, source: "", key: "job")
            let id = world.client("submit") { try await $0.submit(request).id }
            world.awaitEnds()
            world.kill()
            world.client("retry") { try await $0.retry([TaskSelection(job: id ?? JobID(0))]) }
            world.awaitEnds()
            _ = world.checkEnds()
            return (world.told, world.violations)
        }
        #expect(violations.isEmpty)
        #expect(
            told == [
                .init(job: JobID(1), event: "failed"): 2,
                .init(job: JobID(1), event: "first_failure"): 1,
            ])
    }
}

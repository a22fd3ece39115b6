import JobModel
import Testing

@testable import JobServer

@Suite("Who is told")
struct WholeToldTests {
    /// A world whose only node has everything fail.
    private static func world() -> WholeWorld {
        let world = WholeWorld()
        world.nodes = [
            WholeNode("local", cpus: 2) { _, _, _ in WholeWork(length: 60_000, status: .code(1)) }
        ]
        return world
    }

    private static func submit(
        _ name: String, to world: WholeWorld, _ change: (inout JobSpec) -> Void
    ) -> JobID {
        var spec = JobSpec(name: name, image: "host", command: ["true"])
        change(&spec)
        let request = SubmitRequest(spec: spec, source: "", key: name)
        return world.client("submit") { try await $0.submit(request).id } ?? JobID(0)
    }

    /// On a thread of its own: it waits for that of the store.
    private static func told(_ body: @escaping @Sendable (WholeWorld) -> Void) async throws
        -> [WholeWorld.Told: Int]
    {
        let (told, violations) = try await ServerPace().value {
            let world = world()
            defer { world.remove() }
            body(world)
            world.awaitEnds()
            _ = world.checkEnds()
            return (world.told, world.violations)
        }
        #expect(violations.isEmpty)
        return told
    }

    @Test("of a first failure somebody is told once in each run of the job, by whichever server")
    func firstFailure() async throws {
        let told = try await Self.told { world in
            let id = Self.submit("job", to: world) {
                $0.notify = Notification(on: [.failed, .firstFailure], run: "tell")
            }
            world.awaitEnds()
            world.kill()
            world.client("retry") { try await $0.retry([TaskSelection(job: id)]) }
            world.kill()
        }
        #expect(told[.init(job: JobID(1), event: "failed")] == 2)
        #expect(told[.init(job: JobID(1), event: "first_failure")] == 2)
    }

    @Test("somebody is told once of what a server finds out as it starts")
    func atTheStart() async throws {
        let told = try await Self.told { world in
            let first = Self.submit("first", to: world) { _ in }
            world.awaitEnds()
            // With the job on disk: its folder, its row being written, its row.
            world.kill(after: 3)
            _ = Self.submit("second", to: world) { spec in
                spec.after = [.init(condition: .ok, job: "\(first)")]
                spec.notify = Notification(on: [.failed], run: "tell")
            }
        }
        #expect(told == [.init(job: JobID(2), event: "failed"): 1])
    }
}

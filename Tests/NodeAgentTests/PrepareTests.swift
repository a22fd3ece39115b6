import Foundation
import JobModel
import LinuxSystem
import NodeLink
import Testing

/// Tasks that the launcher has set up before their CPUs are free.
@Suite(
    .enabled(if: AgentUnderTest.obstacle == nil, "needs built executables and mount namespaces"),
    .serialized)
struct PrepareTests {
    /// Each says that it has begun, and ends once it may.
    private static func job(_ agent: AgentUnderTest) throws -> JobTemplate {
        let folder = agent.folder.path + "/signs"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        return agent.template {
            $0.resources.cpus = 1
            $0.mounts = [Mount(source: folder, destination: folder)]
            $0.command = [
                "/bin/sh", "-c",
                "echo begun > \(folder)/begun$MARTLET_TASK_INDEX; "
                    + "until [ -e \(folder)/go$MARTLET_TASK_INDEX ]; do sleep 0.01; done",
            ]
        }
    }

    private static func has(_ agent: AgentUnderTest, _ sign: String) -> Bool {
        FileManager.default.fileExists(atPath: agent.folder.path + "/signs/" + sign)
    }

    private static func allow(_ agent: AgentUnderTest, _ task: Int) {
        _ = FileManager.default.createFile(
            atPath: agent.folder.path + "/signs/go\(task)", contents: nil)
    }

    private static func isPrepared(_ id: AttemptID, _ template: JobTemplate) -> Bool {
        FileManager.default.fileExists(atPath: TestHead.path(id, in: template) + "/stdout")
    }

    @Test(arguments: [true, false])
    func oneThatIsTakenBackLeavesNothing(isCancelled: Bool) async throws {
        let agent = try AgentUnderTest()
        let head = try TestHead(agent)
        #expect(try await eventually { head.isConnected })
        let template = try Self.job(agent)
        head.run(template, (0..<4).map { task(attempt(1, $0), cpus: [0]) })
        #expect(try await eventually { Self.has(agent, "begun0") })
        #expect(try await eventually { Self.isPrepared(attempt(1, 1), template) })
        #expect(!Self.isPrepared(attempt(1, 2), template), "only the next one of its CPUs")
        #expect(!Self.has(agent, "begun1"))

        head.send(isCancelled ? .cancel([attempt(1, 1)]) : .recall([attempt(1, 1)]))
        #expect(try await eventually { head.exit(attempt(1, 1)) != nil })
        #expect(head.exit(attempt(1, 1))?.status == .neverStarted)
        #expect(head.exit(attempt(1, 1))?.cancelled == isCancelled)
        #expect(
            !FileManager.default.fileExists(atPath: template.directory + "/tasks/1"),
            "no folder of a task that was never started")
        for index in [0, 2, 3] { Self.allow(agent, index) }
        #expect(
            try await eventually { [0, 2, 3].allSatisfy { head.exit(attempt(1, $0)) != nil } })
        for index in [0, 2, 3] { #expect(head.exit(attempt(1, index))?.status == .code(0)) }
        #expect(!Self.has(agent, "begun1"))
    }

    @Test func whatItsJobIsToldAnewHolds() async throws {
        let agent = try AgentUnderTest()
        let head = try TestHead(agent)
        #expect(try await eventually { head.isConnected })
        let template = try Self.job(agent)
        head.run(template, (0..<2).map { task(attempt(1, $0), cpus: [0]) })
        #expect(try await eventually { Self.isPrepared(attempt(1, 1), template) })
        var anew = template
        anew.spec.command = ["/bin/sh", "-c", "echo anew"]
        head.run(anew, [])
        Self.allow(agent, 0)
        #expect(try await eventually { head.exit(attempt(1, 1)) != nil })
        #expect(try agent.output(attempt(1, 1)) == "anew\n")
    }
}

import JobModel
import Testing

@testable import JobServer

@Suite("Best tasks so far")
struct BestTests {
    private static let goal = MetricGoal(name: "loss", direction: .min)

    private static func record(_ index: Int, _ value: Double, rung: Int = 0) -> RungRecord {
        RungRecord(
            attempt: AttemptID(task: TaskID(job: JobID(1), index: index), number: 1), rung: rung,
            step: rung == 0 ? 1 : 3, value: value, mean: value, best: value)
    }

    @Test("is the best of those that succeeded, at once, and after a restart")
    func ended() async throws {
        let head = Head()
        defer { head.remove() }
        let first = try await head.start()
        head.node.connect()
        let job = try await first.submit(4) { $0.metrics = [Self.goal] }
        await head.node.hears { $0.runs.count == 2 }
        #expect(try await first.summary(job).best == nil)
        head.node.end(AttemptID.of("1_0.1"), metrics: ["loss": 0.5])
        head.node.end(AttemptID.of("1_1.1"), code: 1, metrics: ["loss": 0.1])
        var best = try await first.await(job) { $0.counts.finished == 2 }.best
        #expect(best == BestReport(Self.goal, 0.5, task: 0, params: ["i": .int(1)]))
        await head.node.hears { $0.runs.count == 4 }
        head.node.end(AttemptID.of("1_2.1"), metrics: ["loss": 0.25])
        best = try await first.await(job) { $0.counts.finished == 3 }.best
        #expect(best?.value == 0.25 && best?.task == 2)
        try await first.settle()

        let second = try await head.start()
        #expect(try await second.summary(job).best == best)
        head.node.connect(accepted: AttemptID.of("1_3.1"))
        head.node.end(AttemptID.of("1_3.1"), metrics: ["loss": 0.75])
        #expect(try await second.await(job) { $0.state.isFinal }.best == best)
        #expect(try await second.report(TaskSelection(job: job)).best == best)
        try await second.settle()
        let third = try await head.start()
        #expect(try await third.summary(job).best == best)
    }

    @Test("running tasks of a search count by what they told last")
    func running() async throws {
        let head = Head()
        defer { head.remove() }
        let first = try await head.start()
        head.node.connect()
        let running = AttemptID.of("1_0.1", "1_1.1")
        let job = try await first.submit(2) {
            $0.metrics = [Self.goal]
            $0.search = SearchPolicy(.asha, Self.goal)
        }
        await head.node.hears { $0.runs.count == 2 }
        head.node.start(running)
        head.node.reach([Self.record(0, 0.2), Self.record(1, 0.4)])
        let told = BestReport(
            Self.goal, 0.2, task: 0, params: ["i": .int(1)], isRunning: true)
        _ = try await first.await(job) { $0.best == told }
        try await first.settle()

        let second = try await head.start()
        #expect(try await second.summary(job).best == told)
        head.node.connect(accepted: running, started: running)
        head.node.reach([Self.record(0, 0.9, rung: 1)])
        _ = try await second.await(job) { $0.best?.task == 1 && $0.best?.isRunning == true }
        head.node.end(AttemptID.of("1_0.1"), metrics: ["loss": 0.9])
        head.node.end(AttemptID.of("1_1.1"), metrics: ["loss": 0.3])
        let best = try await second.await(job) { $0.state.isFinal }.best
        #expect(best == BestReport(Self.goal, 0.3, task: 1, params: ["i": .int(2)]))
    }

    @Test("a best task that begins anew is the best no more")
    func again() async throws {
        let head = Head()
        defer { head.remove() }
        let server = try await head.start()
        head.node.connect()
        let job = try await server.submit(2) {
            $0.metrics = [Self.goal]
            $0.search = SearchPolicy(.asha, Self.goal)
            $0.search?.reduction = 2
        }
        await head.node.hears { $0.runs.count == 2 }
        head.node.start(AttemptID.of("1_0.1", "1_1.1"))
        head.node.reach([Self.record(0, 0.2), Self.record(1, 0.4)])
        await head.node.hears { $0.cancelled == ["1_1.1"] }
        head.node.end(AttemptID.of("1_1.1"), code: 143, metrics: ["loss": 0.1])
        head.node.end(AttemptID.of("1_0.1"), metrics: ["loss": 0.2])
        #expect(try await server.await(job) { $0.state.isFinal }.best?.task == 1)
        _ = try await server.retry([TaskSelection(job: job)], states: [.stopped])
        await head.node.hears { $0.runs.contains("1_1.2") }
        #expect(try await server.await(job) { $0.best?.task == 0 }.best?.value == 0.2)
        let next = try await head.start()
        #expect(try await next.await(job) { $0.best != nil }.best?.task == 0)
        head.node.connect(accepted: AttemptID.of("1_1.2"))
        head.node.end(AttemptID.of("1_1.2"), metrics: ["loss": 0.15])
        #expect(try await next.await(job) { $0.state.isFinal }.best?.task == 1)
    }
}

import JobModel
import Testing

@testable import Scheduling

@Suite("Restore")
struct RestoreTests {
    private static func job(_ id: Int64, _ count: Int) -> NewJob {
        var spec = JobSpec(name: "j", image: "host", command: ["true"])
        spec.resources.memory = 1 << 30
        spec.retry.attempts = 5
        spec.retry.backoff = .init(initial: 10_000, factor: 2, max: 60_000)
        return NewJob(
            id: JobID(id), spec: spec, taskCount: count, submitted: Timestamp(milliseconds: 0))
    }

    @Test("a task that waits for its next try goes on waiting, and keeps its raised memory")
    func backoff() {
        var upstream = RestoredJob(Self.job(1, 1))
        upstream.ended = Timestamp(milliseconds: 1)
        upstream.isWhole = true
        upstream.tasks = [
            .init(
                index: 0, state: .succeeded, budget: TaskBudget(attempt: 1), placement: nil,
                cancelRequested: false)
        ]
        var new = Self.job(2, 1)
        new.dependencies = [JobDependency(condition: .each, job: JobID(1))]
        var job = RestoredJob(new)
        job.isWhole = true
        job.tasks = [
            .init(
                index: 0, state: .queued,
                budget: TaskBudget(attempt: 1, failures: 1, memory: 2 << 30), placement: nil,
                cancelRequested: false, ended: Timestamp(milliseconds: 995_000))
        ]
        var cluster = Cluster()
        _ = cluster.state.restore([upstream, job], nodes: [:], now: cluster.now)
        cluster.connect()
        #expect(cluster.sent.isEmpty)
        cluster.wait(5000)
        cluster.apply(.tick)
        #expect(cluster.sentNames == ["2_0.2"])
        #expect(cluster.sent.map(\.memory) == [2 << 30])
    }

    @Test("of a job of the largest size nothing is counted one by one")
    func large() {
        var job = RestoredJob(Self.job(1, 100_000_000))
        job.isWhole = true
        job.ranges = [(5..<10, .cancelled)]
        var cluster = Cluster()
        _ = cluster.state.restore([job], nodes: [:], now: cluster.now)
        #expect(cluster.state.job(JobID(1))?.untouched == 99_999_995)
        #expect(cluster.counts(JobID(1)).cancelled == 5)
        cluster.apply(.cancelRequested(TaskSelection(job: JobID(1), ranges: [8..<20, 30..<40])))
        #expect(cluster.counts(JobID(1)).cancelled == 25)
        #expect(cluster.state.job(JobID(1))?.untouched == 99_999_975)
    }

    @Test("an ended job keeps its counts alone, unless another follows its tasks")
    func unload() {
        var cluster = Cluster()
        cluster.connect("n", [1])
        let first = cluster.submit(1)
        let second = cluster.submit(1, after: [JobDependency(condition: .each, job: first)])
        cluster.end([.of("1_0.1")])
        cluster.state.unload(first)
        #expect(cluster.state.job(first)?.isLoaded == true)
        cluster.end([.of("2_0.1")])
        for job in [second, first] {
            cluster.state.unload(job)
            #expect(cluster.state.job(job)?.isLoaded == false)
            #expect(cluster.counts(job).succeeded == 1)
        }
    }
}

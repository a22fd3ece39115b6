import JobModel
import Testing

@testable import Scheduling

@Suite("Sampled jobs")
struct SampledTests {
    private static func sampled(_ count: Int, parallel: Int = 2) -> (Cluster, JobID) {
        var cluster = Cluster()
        cluster.connect("n", [4])
        let job = cluster.submit(count) {
            var sample = SampleSection(method: .external, count: count, seed: 0, space: [])
            sample.sampler = ExternalSampler(command: ["a"], directory: "/", parallel: parallel)
            $0.sweep.sample = sample
        }
        return (cluster, job)
    }

    @Test("a task starts once its point is there, in the commit that saves the point")
    func grows() {
        var (cluster, job) = Self.sampled(3)
        #expect(cluster.sent.isEmpty && cluster.state.job(job)?.wantsPoint == true)
        #expect(cluster.standing(job).reason == "waits for its sampler")
        cluster.apply(.pointGiven(job, 0))
        #expect(cluster.sentNames == ["1_0.1"])
        cluster.apply(.pointGiven(job, 0), .pointGiven(job, 2))
        #expect(cluster.sent.isEmpty, "neither again nor out of turn")
        cluster.apply(.pointGiven(job, 1))
        #expect(cluster.sentNames == ["1_1.1"] && cluster.state.job(job)?.wantsPoint == false)
        cluster.end([.of("1_0.1")])
        #expect(cluster.sent.isEmpty && cluster.state.job(job)?.wantsPoint == true)
        cluster.apply(.pointGiven(job, 2))
        cluster.end([.of("1_1.1"), .of("1_2.1")])
        #expect(cluster.jobState(job) == .succeeded)
    }

    @Test("a sampler that has had enough ends the job, and a retry asks it again")
    func over() {
        var (cluster, job) = Self.sampled(4)
        cluster.apply(.pointGiven(job, 0))
        cluster.apply(.pointsOver(job))
        cluster.end([.of("1_0.1")])
        #expect(cluster.jobState(job) == .succeeded && cluster.counts(job).stopped == 3)
        cluster.apply(.retryRequested(TaskSelection(job: job), [.stopped]))
        #expect(cluster.sent.isEmpty && cluster.state.job(job)?.wantsPoint == true)
        cluster.apply(.pointGiven(job, 1))
        #expect(cluster.sentNames == ["1_1.1"])
    }

    @Test("after a restart tasks with a point start, and no others")
    func restart() {
        let (cluster, id) = Self.sampled(4)
        var restored = RestoredJob(
            NewJob(
                id: id,
                spec: cluster.state.job(id)?.spec ?? JobSpec(name: "", image: "", command: []),
                taskCount: 4, submitted: cluster.now))
        restored.isWhole = true
        restored.points = 2
        restored.tasks = [
            .init(
                index: 0, state: .succeeded, budget: TaskBudget(attempt: 1), placement: nil,
                cancelRequested: false)
        ]
        var next = Cluster()
        _ = next.state.restore([restored], nodes: [:], now: next.now)
        next.connect("n", [4])
        #expect(next.sentNames == ["1_1.1"])
    }

    @Test("a cancelled task's point is passed over")
    func cancelled() {
        var (cluster, job) = Self.sampled(3)
        cluster.apply(.cancelRequested(TaskSelection(job: job, ranges: [0..<1])))
        cluster.apply(.pointGiven(job, 0))
        #expect(cluster.sent.isEmpty)
        cluster.apply(.pointGiven(job, 1))
        #expect(cluster.sentNames == ["1_1.1"])
    }
}

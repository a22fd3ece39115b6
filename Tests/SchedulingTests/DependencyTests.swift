import JobModel
import Testing

@testable import Scheduling

@Suite("Dependencies")
struct DependencyTests {
    @Test(
        "a job waits for another; whether it runs depends on the condition",
        arguments: [
            (Dependency.Condition.ok, Int32(0), JobState.running), (.ok, 1, .failed),
            (.any, 1, .running),
        ])
    func whole(condition: Dependency.Condition, code: Int32, state: JobState) {
        var cluster = Cluster()
        cluster.connect()
        let first = cluster.submit(1)
        let second = cluster.submit(
            2, after: [JobDependency(condition: condition, job: first)])
        #expect(cluster.jobState(second) == .waiting)
        cluster.end([.of("1_0.1")], .code(code))
        #expect(cluster.jobState(second) == state)
        #expect(cluster.sent.isEmpty == (state == .failed))
    }

    @Test("with each, a task follows the one of its index")
    func each() {
        var cluster = Cluster()
        cluster.connect()
        let first = cluster.submit(2)
        let second = cluster.submit(2, after: [JobDependency(condition: .each, job: first)])
        cluster.end([.of("1_1.1")])
        #expect(cluster.sentNames == ["2_1.1"])
        cluster.end([.of("1_0.1")], .code(1))
        #expect(cluster.sent.isEmpty)
        #expect(cluster.counts(second).cancelled == 1)
        cluster.end([.of("2_1.1")])
        #expect(cluster.jobState(second) == .cancelled)
    }

    @Test("what runs again waits again for what it comes after")
    func retry() {
        var cluster = Cluster()
        cluster.connect()
        let first = cluster.submit(1)
        let second = cluster.submit(1, after: [JobDependency(condition: .ok, job: first)])
        cluster.end([.of("1_0.1")], .code(1))
        #expect(cluster.counts(second).cancelled == 1)
        let again = [first, second].map { job in
            ServerEvent.retryRequested(TaskSelection(job: job), [.failed, .cancelled])
        }
        cluster.apply(again[0], again[1])
        #expect(cluster.sentNames == ["1_0.2"])
        cluster.end([.of("1_0.2")])
        #expect(cluster.sentNames == ["2_0.1"])
    }

    @Test("with each, what runs again waits again for the task of its index")
    func retryEach() {
        var cluster = Cluster()
        cluster.connect()
        let first = cluster.submit(2)
        let second = cluster.submit(2, after: [JobDependency(condition: .each, job: first)])
        cluster.end([.of("1_0.1"), .of("1_1.1")], .code(1))
        #expect(cluster.jobState(second) == .cancelled)
        let again = [first, second].map { job in
            ServerEvent.retryRequested(
                TaskSelection(job: job, ranges: [1..<2]), [.failed, .cancelled])
        }
        cluster.apply(again[0], again[1])
        #expect(cluster.sentNames == ["1_1.2"])
        cluster.end([.of("1_1.2")])
        #expect(cluster.sentNames == ["2_1.1"])
    }

    @Test("a dependency that has already ended counts at once")
    func ended() {
        var cluster = Cluster()
        cluster.connect()
        let first = cluster.submit(1)
        cluster.end([.of("1_0.1")])
        cluster.submit(1, after: [JobDependency(condition: .ok, job: first)])
        #expect(cluster.sentNames == ["2_0.1"])
    }
}

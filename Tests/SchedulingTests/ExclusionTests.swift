import JobModel
import Testing

@testable import Scheduling

/// Nodes that cannot be given what a job needs.
@Suite struct ExclusionTests {
    @Test func tasksGoElsewhere() {
        var cluster = Cluster()
        cluster.connect("a")
        cluster.connect("b")
        let job = cluster.submit(1, cpus: 2)
        #expect(cluster.sent.map(\.placement.node) == ["a"])
        let never = cluster.record(cluster.sent[0].attempt, .neverStarted)
        cluster.apply(
            .jobExcluded(job, node: "a", reason: "its disk is full", until: nil),
            .exited("a", [never]))
        #expect(cluster.sent.map(\.placement.node) == ["b"])
    }

    @Test func otherJobsStillGoThere() {
        var cluster = Cluster()
        cluster.connect("a", [1])
        let held = cluster.submit(1)
        let attempt = cluster.sent[0].attempt
        let never = cluster.record(attempt, .neverStarted)
        cluster.apply(
            .jobExcluded(held, node: "a", reason: "no room", until: nil), .exited("a", [never]))
        #expect(cluster.sent.isEmpty)
        // The same request, from a job that is not kept out.
        cluster.submit(1)
        #expect(cluster.sent.map(\.attempt.task.job) == [JobID(2)])
    }

    @Test func isToldAndEndsInTime() {
        var cluster = Cluster()
        cluster.connect("a")
        let job = cluster.submit(1)
        let never = cluster.record(cluster.sent[0].attempt, .neverStarted)
        let due = Timestamp(milliseconds: cluster.now.milliseconds + 30_000)
        cluster.apply(
            .jobExcluded(job, node: "a", reason: "its disk is full", until: due),
            .exited("a", [never]))
        #expect(
            cluster.state.standing(of: job, now: cluster.now).reason == "node a: its disk is full")
        let nodes = cluster.state.explanation(of: job, index: nil, now: cluster.now)?.wait?.nodes
        #expect(nodes?.first?.obstacles.map(\.text) == ["its disk is full"])
        #expect(
            cluster.effects.contains {
                if case .wake(let time) = $0 { time == due } else { false }
            })
        cluster.wait(30_000)
        cluster.apply(.tick)
        #expect(cluster.sent.count == 1)
    }

    @Test func ofNoUseAnywhereIsForGood() {
        var cluster = Cluster()
        cluster.connect("a")
        let job = cluster.submit(1)
        let never = cluster.record(cluster.sent[0].attempt, .neverStarted)
        cluster.apply(
            .jobExcluded(job, node: "a", reason: "no such directory", until: nil),
            .exited("a", [never]))
        #expect(cluster.state.standing(of: job, now: cluster.now).state == .held)
        // Another node may do.
        cluster.connect("b")
        #expect(cluster.sent.map(\.placement.node) == ["b"])
    }

    @Test func aNodeThatHasNotComeYetMayBeLargeEnough() {
        var cluster = Cluster()
        cluster.connect("a", [1])
        cluster.apply(.nodeAdded(NodeSpec(name: "b", destination: "b")))
        let job = cluster.submit(1, cpus: 2)
        let standing = cluster.state.standing(of: job, now: cluster.now)
        #expect(standing.state == .queued)
        #expect(standing.reason == "waits for node b, which has not been connected yet")
        cluster.connect("b", [2])
        #expect(cluster.sent.map(\.placement.node) == ["b"])
    }
}

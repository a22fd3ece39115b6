import JobModel
import Testing

@testable import Scheduling

@Suite("Life of a task")
struct LifeOfATaskTests {
    @Test("a job ends when its last task has, and counts always sum up")
    func success() {
        var cluster = Cluster()
        cluster.connect()
        let job = cluster.submit(3)
        while !cluster.sent.isEmpty {
            #expect(cluster.counts(job).total == 3)
            cluster.end(cluster.sent.map(\.attempt))
        }
        #expect(cluster.jobState(job) == .succeeded)
        #expect(cluster.counts(job).succeeded == 3)
        #expect(cluster.state.activeJobs.isEmpty)
    }

    @Test("a started task counts as running, whatever comes twice")
    func started() {
        var cluster = Cluster()
        cluster.connect()
        let job = cluster.submit(2)
        let first = cluster.sent[0].attempt
        cluster.apply(.started("n", [cluster.start(first)]))
        #expect(
            cluster.effects.contains {
                if case .saveJob(let id) = $0 { id == job } else { false }
            }, "that the job has run is to survive a restart")
        cluster.apply(.started("n", [cluster.start(first)]))
        #expect(cluster.counts(job).running == 1 && cluster.counts(job).queued == 1)
        for _ in 0..<2 { cluster.end([first], .code(1)) }
        #expect(cluster.counts(job).failed == 1)
        cluster.apply(.started("n", [cluster.start(first)]))
        #expect(cluster.counts(job).running == 0)
    }

    @Test("a record of an older attempt is acknowledged and changes nothing")
    func fencing() {
        var cluster = Cluster()
        cluster.connect()
        let job = cluster.submit(1) { $0.retry.attempts = 2 }
        cluster.end([.of("1_0.1")], .code(1))
        #expect(cluster.sentNames == ["1_0.2"])
        cluster.end([.of("1_0.1")], .code(0))
        #expect(cluster.counts(job).succeeded == 0)
        #expect(
            cluster.effects.contains {
                if case .acknowledge(_, let ids) = $0 { ids == [.of("1_0.1")] } else { false }
            })
        cluster.end([.of("1_0.2")])
        #expect(cluster.jobState(job) == .succeeded)
    }

    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let causes: [RetryPolicy.Cause]
        let status: Ending
        var outOfMemory = false
        var timedOut = false
        var matched: [Int] = []
        let retries: Bool
    }

    static let cases: [Case] = [
        Case(testDescription: "any", causes: [.failed], status: .code(1), retries: true),
        Case(
            testDescription: "any is not lost", causes: [.failed], status: .lost("x"),
            retries: false),
        Case(
            testDescription: "lost", causes: [.nodeLost], status: .lost("x"), retries: true),
        Case(testDescription: "code", causes: [.exit(75)], status: .code(75), retries: true),
        Case(
            testDescription: "other code", causes: [.exit(75)], status: .code(1),
            retries: false),
        Case(
            testDescription: "signal", causes: [.signal(9)], status: .signal(9),
            retries: true),
        Case(
            testDescription: "memory", causes: [.outOfMemory], status: .signal(9),
            outOfMemory: true, retries: true),
        Case(
            testDescription: "time", causes: [.timeout], status: .code(0), timedOut: true,
            retries: true),
        Case(
            testDescription: "log", causes: [.nodeLost, .log("ECC")], status: .code(1),
            matched: [1], retries: true),
        Case(
            testDescription: "log not found", causes: [.log("ECC")], status: .code(1),
            retries: false),
    ]

    @Test("a failure is retried for the causes that the spec names", arguments: cases)
    func causes(_ test: Case) {
        var cluster = Cluster()
        cluster.connect()
        let job = cluster.submit(1) {
            $0.retry.attempts = 3
            $0.retry.on = test.causes
        }
        cluster.end([.of("1_0.1")], test.status) {
            $0.outOfMemory = test.outOfMemory
            $0.timedOut = test.timedOut
            $0.matchedLogCauses = test.matched
        }
        #expect(cluster.sentNames == (test.retries ? ["1_0.2"] : []))
        #expect(cluster.counts(job).finished == (test.retries ? 0 : 1))
    }

    @Test("attempts are as many as the spec allows, and the last failure stands")
    func attempts() {
        var cluster = Cluster()
        cluster.connect()
        let job = cluster.submit(1) { $0.retry.attempts = 3 }
        for number in 1...3 { cluster.end([.of("1_0.\(number)")], .code(1)) }
        #expect(cluster.jobState(job) == .failed)
        #expect(cluster.sent.isEmpty)
    }

    @Test("a retry waits as long as the backoff says, growing")
    func backoff() {
        var cluster = Cluster()
        cluster.connect()
        cluster.submit(1) {
            $0.retry.attempts = 3
            $0.retry.backoff = .init(initial: 1000, factor: 3, max: 60_000)
        }
        for (number, delay) in [(1, 1000), (2, 3000)] as [(Int, Int64)] {
            cluster.end([.of("1_0.\(number)")], .code(1))
            #expect(cluster.sent.isEmpty)
            cluster.wait(delay - 1)
            cluster.apply(.tick)
            #expect(cluster.sent.isEmpty)
            #expect(
                cluster.effects.contains { if case .wake = $0 { true } else { false } },
                "a timer that rang early is set again")
            cluster.wait(1)
            cluster.apply(.tick)
            #expect(cluster.sentNames == ["1_0.\(number + 1)"])
        }
    }

    @Test("after running out of memory the next attempt has more, and no more than there is")
    func moreMemory() {
        var cluster = Cluster()
        cluster.connect("n", [2], memory: 8 << 30)
        cluster.submit(1) {
            $0.resources.memory = 4 << 30
            $0.retry.attempts = 4
            $0.retry.memoryFactor = 1.5
        }
        for (number, gibibytes) in [(1, 6), (2, 8), (3, 8)] as [(Int, Int64)] {
            cluster.end([.of("1_0.\(number)")], .signal(9)) { $0.outOfMemory = true }
            #expect(cluster.sent.map(\.memory) == [gibibytes << 30])
        }
    }

    @Test("too many failures end the rest of the job")
    func failureLimit() {
        var cluster = Cluster()
        cluster.connect()
        let job = cluster.submit(100) { $0.limits.failures = .count(1) }
        cluster.end(cluster.sent.map(\.attempt), .code(1))
        #expect(cluster.counts(job).failed == 2 && cluster.counts(job).cancelled == 98)
        #expect(cluster.jobState(job) == .failed)
        #expect(cluster.standing(job).reason?.contains("limits.failures") == true)
    }

    @Test("cancel ends what is queued at once and stops what runs")
    func cancel() {
        var cluster = Cluster()
        cluster.connect()
        let job = cluster.submit(1000)
        let live = cluster.sent.map(\.attempt)
        cluster.apply(.cancelRequested(TaskSelection(job: job)))
        #expect(cluster.counts(job).cancelled == 998)
        let stopped = cluster.effects.flatMap { effect -> [AttemptID] in
            if case .cancel(_, let attempts) = effect { attempts } else { [] }
        }
        #expect(stopped == live)
        cluster.end(live, .signal(15)) { $0.cancelled = true }
        #expect(cluster.jobState(job) == .cancelled)
        #expect(cluster.counts(job).cancelled == 1000)
    }

    @Test("a cancelled range is passed over, and may be queued again")
    func cancelRange() {
        var cluster = Cluster()
        let job = cluster.submit(6)
        cluster.apply(.cancelRequested(TaskSelection(job: job, ranges: [1..<3, 4..<5])))
        #expect(cluster.counts(job).cancelled == 3)
        cluster.connect("n", [8])
        #expect(cluster.sent.map(\.attempt.task.index) == [0, 3, 5])
        cluster.apply(.retryRequested(TaskSelection(job: job, ranges: [0..<2]), [.cancelled]))
        #expect(cluster.sentNames == ["1_1.1"])
        #expect(cluster.counts(job).cancelled == 2)
    }

    @Test("retry queues failed tasks of an ended job again, as further attempts")
    func retryEnded() {
        var cluster = Cluster()
        cluster.connect()
        let job = cluster.submit(2)
        cluster.end([.of("1_0.1")], .code(1))
        cluster.end([.of("1_1.1")])
        #expect(cluster.jobState(job) == .failed)
        cluster.apply(.retryRequested(TaskSelection(job: job), [.failed]))
        #expect(cluster.sentNames == ["1_0.2"])
        #expect(cluster.jobState(job) == .running)
        cluster.end([.of("1_0.2")])
        #expect(cluster.jobState(job) == .succeeded)
    }

    @Test("while nothing can be written nothing is started, and afterwards it goes on")
    func held() {
        var cluster = Cluster()
        cluster.connect()
        cluster.apply(.held("no room on the disk"))
        let job = cluster.submit(1)
        #expect(cluster.sent.isEmpty)
        #expect(cluster.standing(job).state == .held)
        #expect(cluster.standing(job).reason == "no room on the disk")
        cluster.apply(.released)
        #expect(cluster.sent.count == 1)
    }

    @Test("an image that cannot be brought in fails the job; one that may come is tried again")
    func image() {
        for (failure, tries, ends) in [
            (.permanent, 1, true), (.passing, 3, true), (.waiting, 5, false),
        ] as [(ImageFailure, Int, Bool)] {
            var cluster = Cluster()
            cluster.connect()
            let job = cluster.submit(3) { $0.image = "registry/image:tag" }
            for _ in 0..<tries {
                #expect(
                    cluster.effects.contains {
                        if case .fetchImage = $0 { true } else { false }
                    })
                cluster.apply(.imageFailed(job, reason: "pull: refused", failure))
                if failure == .passing, cluster.state.activeJobs.contains(job) {
                    #expect(cluster.standing(job).state == .waiting, "another try comes soon")
                }
                cluster.wait(60_000)
                if cluster.state.activeJobs.contains(job) { cluster.apply(.tick) }
            }
            #expect(cluster.standing(job).reason == "pull: refused")
            #expect(cluster.standing(job).state == (ends ? .failed : .held))
            #expect(cluster.counts(job).failed == 0)
        }
    }
}

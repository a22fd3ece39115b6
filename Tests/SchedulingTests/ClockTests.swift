import JobModel
import Testing

@testable import Scheduling

/// Somebody sets the clock, or it was wrong when an earlier server wrote down what it said.
@Suite("Clocks that are set")
struct ClockTests {
    private static let hour: Int64 = 3_600_000

    private func restored(_ change: (inout JobSpec) -> Void) -> RestoredJob {
        var spec = JobSpec(name: "j", image: "host", command: ["true"])
        change(&spec)
        var job = RestoredJob(
            NewJob(
                id: JobID(1), spec: spec, taskCount: 1, submitted: Timestamp(milliseconds: 0),
                dependencies: []))
        job.isWhole = true
        return job
    }

    private func wake(_ effects: [Effect]) -> Timestamp? {
        effects.compactMap { if case .wake(let time) = $0 { time } else { nil } }.first
    }

    @Test("a task whose end lies ahead of the clock waits for its backoff and no longer")
    func backoff() {
        var job = restored {
            $0.retry.attempts = 3
            $0.retry.backoff.initial = 10_000
        }
        var task = RestoredJob.Task(
            index: 0, state: .queued,
            budget: TaskBudget(attempt: 1, failures: 1, losses: 0, memory: nil, time: nil),
            placement: nil, cancelRequested: false)
        for ahead in [Self.hour, 24 * Self.hour, 0] {
            let now = Timestamp(milliseconds: 1_000_000_000)
            task.ended = Timestamp(milliseconds: now.milliseconds + ahead)
            job.tasks = [task]
            var server = ServerState()
            let due = wake(server.restore([job], nodes: [:], now: now))
            #expect(due?.milliseconds == now.milliseconds + 10_000)
        }
    }

    @Test("the time of a whole job that began ahead of the clock is its limit and no more")
    func total() {
        var job = restored { $0.limits.total = 60_000 }
        let now = Timestamp(milliseconds: 1_000_000_000)
        job.started = Timestamp(milliseconds: now.milliseconds + 24 * Self.hour)
        var server = ServerState()
        #expect(
            wake(server.restore([job], nodes: [:], now: now))?.milliseconds
                == now.milliseconds + 60_000)
        let late = Timestamp(milliseconds: now.milliseconds + 60_001)
        _ = server.apply(.tick, now: late)
        #expect(server.job(JobID(1))?.failure?.contains("limits.total") == true)
    }

    @Test("whatever a node's clock says, a job starts after its submit and not in times to come")
    func nodeClocks() {
        for (told, started) in [(-86_400_000, 5000), (7000, 7000), (86_400_000, 9000)]
            as [(Int64, Int64)]
        {
            var record = JobRecord(
                NewJob(
                    id: JobID(1), spec: JobSpec(name: "j", image: "host", command: ["true"]),
                    taskCount: 1, submitted: Timestamp(milliseconds: 5000), dependencies: []))
            record.noteStart(Timestamp(milliseconds: told), Timestamp(milliseconds: 9000))
            #expect(record.started?.milliseconds == started)
        }
    }

    @Test(
        "a job begins when the wall clock says so, however often that is set, and nothing else goes by it"
    )
    func start() {
        let began = Timestamp(milliseconds: 1_000_000_000)
        func later(_ milliseconds: Int64) -> Timestamp {
            Timestamp(milliseconds: began.milliseconds + milliseconds)
        }
        var spec = JobSpec(name: "j", image: "host", command: ["true"])
        spec.start = later(2 * Self.hour)
        var server = ServerState()
        let job = NewJob(
            id: JobID(1), spec: spec, taskCount: 1, submitted: began, dependencies: [])
        #expect(wake(server.apply(.submitted(job), now: began)) == later(2 * Self.hour))
        // Forward by an hour, back by three, and right again.
        #expect(wake(server.apply(.clockSet(Self.hour), now: began)) == later(Self.hour))
        #expect(
            wake(server.apply(.clockSet(-2 * Self.hour), now: began)) == later(4 * Self.hour))
        _ = server.apply(.tick, now: later(3 * Self.hour))
        #expect(server.job(JobID(1))?.waitsUntil != nil)
        _ = server.apply(.clockSet(Self.hour), now: later(Self.hour))
        #expect(server.job(JobID(1))?.waitsUntil == nil)
    }
}

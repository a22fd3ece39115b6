import JobModel
import Testing

@testable import JobServer

/// What a client is told holds.
@Suite("What clients are told")
struct PromiseTests {
    @Test("no end is told before it is on disk")
    func nothingIsToldBeforeItIsOnDisk() async throws {
        let head = Head()
        defer { head.remove() }
        let server = try await head.start()
        head.node.connect()
        let job = try await server.submit()
        await head.node.hears { $0.runs == ["1_0.1"] }
        try await server.setFull(true)
        let metrics = (0..<3000).map { ("a metric of some length, number \($0)", 0.5) }
        head.node.end(
            AttemptID.of("1_0.1"), metrics: Dictionary(uniqueKeysWithValues: metrics))
        let held = try await server.await(job) { $0.state == .held }
        #expect(held.ended == nil)
        #expect(try await server.states(job) == [.running])
        #expect(await server.jobs().map(\.state) == [.held])
        #expect(head.node.acknowledged.isEmpty)

        try await server.setFull(false)
        #expect(try await server.await(job) { $0.state.isFinal }.state == .succeeded)
        #expect(try await server.states(job) == [.succeeded])
        await head.node.hears { $0.acknowledged == ["1_0.1"] }
    }

    @Test("with the disk full a cancel is refused, or takes effect when there is room")
    func cancelWhileHeldIsRefusedOrDurable() async throws {
        let head = Head()
        defer { head.remove() }
        let server = try await head.start()
        let job = try await server.submit(10_000)
        try await server.setFull(true)
        // More than fits into what the last page has left.
        let odd = (0..<3000).map { $0 * 2 + 1..<$0 * 2 + 2 }
        await #expect(throws: ErrorReport.self) {
            try await server.cancel([TaskSelection(job: job, ranges: odd)])
        }
        await #expect(throws: ErrorReport.self) {
            try await server.cancel([TaskSelection(job: job)])
        }
        #expect(try await head.start().summary(job).counts.cancelled == 0)

        try await server.setFull(false)
        _ = try await server.await(job) { $0.state != .held }
        #expect(try await server.cancel([TaskSelection(job: job, ranges: [0..<1])]) == [1])
        #expect(try await head.start().summary(job).counts.cancelled == 3001)
    }

    @Test("a stop with the disk full comes to an end")
    func stopWhileHeld() async throws {
        let head = Head()
        defer { head.remove() }
        let server = try await head.start()
        let job = try await server.submit(10_000)
        try await server.setFull(true)
        await #expect(throws: ErrorReport.self) {
            try await server.cancel([
                TaskSelection(job: job, ranges: (0..<3000).map { $0 * 2..<$0 * 2 + 1 })
            ])
        }
        await server.shutdown(stopNodes: true)
    }

    @Test("the reason of an attempt that ran out of memory names the limit that it had")
    func raisedLimit() {
        var spec = JobSpec(name: "j", image: "host", command: ["true"])
        spec.resources.memory = 4 << 30
        var record = PretendedNode.end(AttemptID.of("1_0.2")[0], code: 137)
        record.outOfMemory = true
        let reason = EndReason.text(record, .failed, spec: spec, memory: 6 << 30)
        #expect(reason?.contains("6 GiB") == true)
    }

    @Test("a job that waits for its image says how far that is")
    func pullIsTold() async throws {
        let head = Head()
        defer { head.remove() }
        head.images.close()
        let server = try await head.start()
        let job = try await server.submit(image: "registry/image:tag")
        var version: Int64 = 0
        var reason: String?
        while reason?.contains("pulling") != true {
            let change = try await server.waitForChange(job, after: version, milliseconds: 10_000)
            try #require(change.version != version, "no progress was told: \(reason ?? "nothing")")
            (version, reason) = (change.version, change.job.reason)
        }
        #expect(reason == "pulling registry/image:tag: 1 of 2 layers, 1.5 MB of 3.0 MB")
        head.images.open()
    }

    @Test("jobs that want one image at once wait for one fetch")
    func sameImageIsFetchedOnceForManyJobs() async throws {
        let head = Head()
        defer { head.remove() }
        let server = try await head.start()
        head.node.connect()
        head.images.close()
        for _ in 0..<3 {
            _ = try await server.submit(image: "registry/image:tag") { $0.resources.cpus = 0 }
        }
        head.images.open()
        await head.node.hears { $0.runs.count == 3 }
        #expect(head.images.fetches == ["registry/image:tag"])
    }

    @Test("a repeated key gives one job")
    func repeatedKeyGivesOneJob() async throws {
        let head = Head()
        defer { head.remove() }
        let server = try await head.start()
        let first = try await server.submit(key: "k")
        #expect(try await server.submit(key: "k") == first)
        #expect(try await head.start().submit(key: "k") == first)
        #expect(await server.jobs().count == 1)
    }

    @Test("who waits for a change is answered at the end, after the time, and when the server ends")
    func waitForChangeAnswersOnEndTimeoutAndShutdown() async throws {
        let head = Head()
        defer { head.remove() }
        let server = try await head.start()
        head.node.connect()
        let job = try await server.submit()
        await head.node.hears { $0.runs == ["1_0.1"] }
        let other = try await server.submit { $0.after = [.init(condition: .ok, job: "1")] }
        head.node.end(AttemptID.of("1_0.1"), code: 1)
        #expect(try await server.await(job) { $0.state.isFinal }.state == .failed)
        let ended = try await server.await(other) { $0.state.isFinal }
        #expect(ended.state == .failed && ended.counts.cancelled == 1)

        let last = try await server.waitForChange(job, after: 0, milliseconds: 0)
        let same = try await server.waitForChange(job, after: last.version, milliseconds: 1)
        #expect(same.version == last.version)
        async let waiting = server.waitForChange(
            job, after: last.version, milliseconds: 3_600_000)
        await server.shutdown(stopNodes: false)
        #expect(try await waiting.job.state == .failed)
    }

    @Test(
        "a sweep that cannot be is refused, whoever posts it",
        arguments: [
            ("1000000000000 points", [AxisValues.range(first: 1, last: 1_000_000_000_000)], []),
            (
                "than can be counted",
                [.range(first: 0, last: .max - 1), .range(first: 0, last: 9)], []
            ),
            ("has no values", [.range(first: 2, last: 1)], []),
            ("'z' has 3", [], [.range(first: 1, last: 2), .range(first: 1, last: 3)]),
        ] as [(String, [AxisValues], [AxisValues])])
    func tooManyPointsAreRefused(words: String, grid: [AxisValues], zip: [AxisValues]) async throws
    {
        let head = Head()
        defer { head.remove() }
        let server = try await head.start()
        await #expect {
            _ = try await server.submit {
                $0.sweep.grid = grid.map { .init(name: "g", values: $0) }
                $0.sweep.zip = zip.map { .init(name: "z", values: $0) }
            }
        } throws: { error in
            let report = error as? ErrorReport
            return report?.error.contains(words) == true && report?.isUsage == true
        }
        #expect(await server.jobs().isEmpty)
    }

    @Test("a large report comes in parts, and holds what was selected, once, in order")
    func parts() async throws {
        let head = Head()
        defer { head.remove() }
        let server = try await head.start()
        let job = try await server.submit(5000)
        _ = try await server.cancel([TaskSelection(job: job, ranges: [10..<20, 4000..<4500])])
        for selection in [nil, [4000..<5000, 7..<12, 3..<9]] as [[Range<Int>]?] {
            for states in [nil, [.cancelled]] as [Set<TaskState>?] {
                var indexes: [Int] = []
                var next: Int? = 0
                while let from = next {
                    let part = try await server.report(
                        TaskSelection(job: job, ranges: selection), states: states, from: from,
                        limit: 300)
                    #expect(part.tasks.count <= 300)
                    indexes += part.tasks.map(\.index)
                    next = part.next
                }
                let expected = (0..<5000).filter { index in
                    selection?.contains { $0.contains(index) } != false
                        && (states == nil || (10..<20).contains(index)
                            || (4000..<4500).contains(index))
                }
                #expect(indexes == expected)
            }
        }
        #expect(try await server.results(job).points.count == JobServer.largestPage)
        #expect(try await server.bestResults(job, limit: 3).points.map(\.index) == [0, 1, 2])
    }
}

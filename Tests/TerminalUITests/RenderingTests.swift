import JobModel
import TerminalUI
import Testing

@Suite("Tables")
struct TableTests {
    @Test("columns are aligned, and nothing trails")
    func alignment() {
        var table = Table([.init("task", .right), .init("state"), .init("time", .right)])
        table.add(["7", "succeeded", "1.2s"])
        table.add(["123", "lost", ""])
        #expect(table.lines() == ["task  state      time", "   7  succeeded  1.2s", " 123  lost"])
    }

    @Test("a line is cut to the terminal, and control characters never reach it")
    func width() {
        var table = Table([.init("name")])
        table.add(["evil\u{1b}[2Jname"])
        #expect(table.lines(width: 8) == ["name", "evil·[2…"])
    }

    @Test(
        "durations are told as people tell them",
        arguments: [
            (0.42, "0.4s"), (9.99, "9.9s"), (42, "42s"), (185, "3m 05s"), (7800, "2h 10m"),
            (360_000, "4d 4h"),
        ])
    func durations(seconds: Double, text: String) { #expect(Words.duration(seconds) == text) }

    @Test(
        "sizes and numbers are short",
        arguments: [(Int64(512), "512 B"), (3 << 20, "3.0 MiB"), (5 << 40, "5.0 TiB")])
    func sizes(bytes: Int64, text: String) { #expect(Words.size(bytes) == text) }

    @Test(
        "numbers keep six digits",
        arguments: [(3.0, "3"), (0.1234567891, "0.123457"), (12.5, "12.5"), (1e-9, "1e-09")])
    func numbers(value: Double, text: String) { #expect(Words.number(value) == text) }
}

@Suite("Progress and results")
struct ProgressTests {
    private func summary(_ set: (inout TaskCounts) -> Void) -> JobSummary {
        var counts = TaskCounts()
        set(&counts)
        return JobSummary(
            id: JobID(3), name: "digits", state: .running, reason: nil, counts: counts,
            image: ImageReport(reference: "host", digest: nil), submitted: "", started: nil,
            ended: nil, directory: "/d",
            lastFailure: "task 4: exit code 3")
    }

    @Test("a block shows states, rate, time left and the last failure")
    func block() {
        let job = summary {
            $0.queued = 6
            $0.running = 2
            $0.succeeded = 11
            $0.failed = 1
        }
        let lines = ProgressBlock(job: job, elapsed: 6, finishedAtStart: 0).lines(
            width: 80, colour: false)
        #expect(
            lines[1] == "  2 running · 6 queued · 11 succeeded · 1 failed · 2/s · about 4.0s left")
        #expect(lines[0].hasPrefix("digits (3)  █") && lines[0].hasSuffix("12/20  6.0s"))
        #expect(lines[2] == "  last failure: task 4: exit code 3")
    }

    @Test("no line is wider than the terminal, coloured or not", arguments: [1, 9, 24, 32, 60])
    func narrow(width: Int) {
        var job = summary {
            $0.queued = 600
            $0.running = 20
            $0.succeeded = 1100
            $0.failed = 10
        }
        job.reason = "waits for something that takes many words to tell"
        let block = ProgressBlock(job: job, elapsed: 6, finishedAtStart: 0)
        let plain = block.lines(width: width, colour: false)
        #expect(plain.allSatisfy { $0.count <= max(width, 3) }, "\(plain)")
        if width >= 32 { #expect(plain[0].hasSuffix("1110/1730  6.0s")) }
        let coloured = block.lines(width: width, colour: true).map {
            $0.replacing(/\u{1b}\[[0-9]+m/, with: "")
        }
        #expect(coloured == plain)
    }

    @Test("without a finished task nothing is promised")
    func noRate() {
        let job = summary { $0.queued = 5 }
        #expect(
            ProgressBlock(job: job, elapsed: 6, finishedAtStart: 0).plainLine == "digits (3): 0/5")
    }

    @Test("the best point stands first, and points without the metric last")
    func order() {
        func row(_ index: Int, _ loss: Double?) -> ResultsReport.Row {
            ResultsReport.Row(
                index: index, state: .succeeded, params: ["lr": .double(Double(index) / 10)],
                metrics: loss.map { ["loss": $0] } ?? [:],
                seconds: 1)
        }
        let report = ResultsReport(
            id: JobID(1), name: "n", parameterNames: ["lr"], metricNames: ["loss"],
            goals: [MetricGoal(name: "loss", direction: .min)],
            points: [row(0, 0.5), row(1, nil), row(2, 0.25)])
        #expect(ResultsTable.sorted(report).map(\.index) == [2, 0, 1])
        #expect(
            ResultsTable.table(report) == [
                "task   lr  loss ↓  time", "   2  0.2    0.25  1.0s", "   0  0.0     0.5  1.0s",
                "   1  0.1       –  1.0s",
            ])
    }
}

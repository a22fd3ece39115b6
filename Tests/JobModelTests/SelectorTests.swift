import Foundation
import JobModel
import Testing

@Suite("Selectors")
struct SelectorTests {
    @Test(
        "jobs and tasks are named as people type them",
        arguments: [
            ("last", Selector.Job.last, nil), ("42", .id(JobID(42)), nil),
            ("42_7", .id(JobID(42)), [7..<8]),
            ("42_[3-9,12]", .id(JobID(42)), [3..<10, 12..<13]), ("last_0", .last, [0..<1]),
            ("digits", .name("digits"), nil),
            ("my_job", .name("my_job"), nil), ("2024_sweep", .name("2024_sweep"), nil),
        ] as [(String, Selector.Job, [Range<Int>]?)])
    func good(text: String, job: Selector.Job, ranges: [Range<Int>]?) throws {
        let selector = try Selector(text)
        #expect(selector.job == job)
        #expect(selector.ranges == ranges)
    }

    @Test(
        "what names nothing is refused",
        arguments: ["", "42_", "42_9-3", "42_[1,]", "42_-1"])
    func bad(text: String) {
        #expect(throws: Selector.Malformed.self) { try Selector(text) }
        #expect(!Selector.isName(text))
    }

    private static func job(_ id: Int64, _ name: String) -> JobSummary {
        var counts = TaskCounts()
        counts.queued = 5
        return JobSummary(
            id: JobID(id), name: name, state: .queued, reason: nil, counts: counts,
            image: ImageReport(reference: "host", digest: nil), submitted: "", started: nil,
            ended: nil, directory: "/d", lastFailure: nil)
    }

    @Test(
        "tasks go by their job's name, too; a job of the whole name comes first",
        arguments: [
            ("books_3", 8, [3..<4]), ("books_[1-2,4]", 8, [1..<3, 4..<5]),
            ("books_1-2", 8, [1..<3]),
            ("books_2024", 9, nil), ("books_2024_1", 9, [1..<2]), ("2024_books_0", 10, [0..<1]),
            ("books", 8, nil),
        ] as [(String, Int64, [Range<Int>]?)])
    func byName(text: String, id: Int64, ranges: [Range<Int>]?) throws {
        let jobs = [
            Self.job(7, "books"), Self.job(8, "books"), Self.job(9, "books_2024"),
            Self.job(10, "2024_books"),
        ]
        let selection = try #require(try Selector(text).resolve(among: jobs))
        #expect(selection.job == JobID(id) && selection.ranges == ranges)
        for absent in ["book_3", "books_x", "books_", "books_3-1", "_3"] {
            #expect(try Selector(absent).resolve(among: jobs) == nil, "\(absent)")
        }
        let error = #expect(throws: Selector.Malformed.self) {
            try Selector("books_5").resolve(among: jobs)
        }
        #expect(error?.description == "job 8 has no task 5: its tasks are 0 to 4")
    }

    @Test("a task that the job does not have is refused")
    func absentTask() throws {
        let job = Self.job(42, "digits")
        #expect(
            try Selector("42_[3-9]").resolve(among: [job])?.ranges(of: 5) == [3..<5])
        let error = #expect(throws: Selector.Malformed.self) {
            try Selector("42_[1,5]").resolve(among: [job])
        }
        #expect(error?.description == "job 42 has no task 5: its tasks are 0 to 4")
        #expect(try Selector("43_1").resolve(among: [job]) == nil)
    }
}

@Suite("Reports")
struct ReportTests {
    @Test("JSON has every key, null where there is no value")
    func nulls() throws {
        var counts = TaskCounts()
        counts.queued = 1
        let summary = JobSummary(
            id: JobID(1), name: "n", state: .queued, reason: nil, counts: counts,
            image: ImageReport(reference: "host", digest: nil), submitted: "s", started: nil,
            ended: nil, directory: "/d", lastFailure: nil)
        let report = JobReport(
            summary, tasks: [TaskReport(index: 0, attempt: 0, state: .queued, params: [:])])
        let data = try JSONEncoder().encode(report)
        let json = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        #expect(json["best"] is NSNull)
        #expect(json["reason"] is NSNull && json["started"] is NSNull && json["ended"] is NSNull)
        let image = try #require(json["image"] as? [String: Any])
        #expect(image["digest"] is NSNull)
        let task = try #require((json["tasks"] as? [[String: Any]])?.first)
        let keys = [
            "exitCode", "signal", "node", "started", "ended", "stdout", "stderr", "reason",
            "enforcement", "peakMemory", "cpuSeconds", "missingMetrics",
        ]
        for key in keys { #expect(task[key] is NSNull, "\(key)") }
        #expect(try JSONDecoder().decode(JobReport.self, from: data).tasks.first?.node == nil)
        let short = Data(#"{"reference": "host"}"#.utf8)
        #expect(try JSONDecoder().decode(ImageReport.self, from: short).digest == nil)
    }
}

@Suite("Moments")
struct TimestampTests {
    @Test(
        "are written in RFC 3339",
        arguments: [
            (Int64(0), "1970-01-01T00:00:00.000Z"), (1_709_210_096_007, "2024-02-29T12:34:56.007Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (4_102_444_800_000, "2100-01-01T00:00:00.000Z"),
        ])
    func text(milliseconds: Int64, expected: String) {
        #expect(Timestamp(milliseconds: milliseconds).description == expected)
    }

    @Test("attempts read what they write")
    func attempts() {
        let id = AttemptID(task: TaskID(job: JobID(42), index: 7), number: 2)
        #expect(id.description == "42_7.2")
        #expect(AttemptID("42_7.2") == id)
        for bad in ["42_7", "42.7_2", "_7.2", "a_1.1", "1_1.0", "1_-1.1"] {
            #expect(AttemptID(bad) == nil)
        }
    }
}

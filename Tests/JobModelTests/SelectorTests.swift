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
            ("my_job", .name("my_job"), nil),
        ] as [(String, Selector.Job, [Range<Int>]?)])
    func good(text: String, job: Selector.Job, ranges: [Range<Int>]?) throws {
        let selector = try Selector(text)
        #expect(selector.job == job)
        #expect(selector.ranges == ranges)
    }

    @Test(
        "what names nothing is refused",
        arguments: ["", "42_", "42_x", "42_9-3", "42_[1,]", "42_-1"])
    func bad(text: String) {
        #expect(throws: Selector.Malformed.self) { try Selector(text) }
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

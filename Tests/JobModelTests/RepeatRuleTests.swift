import JobModel
import Testing

@Suite("Repetition")
struct RepeatRuleTests {
    /// UTC, computed by days of 2026, which begins on a Thursday.
    private static func utc(_ seconds: Int64) -> RepeatRule.Minute? {
        let text = Timestamp(milliseconds: seconds * 1000).description
        let numbers = text.split { "-T:.Z".contains($0) }.compactMap { Int($0) }
        // 1970 began on a Thursday, too.
        return .init(
            minute: numbers[4], hour: numbers[3], day: numbers[2], month: numbers[1],
            weekday: Int((seconds / 86_400 + 4) % 7))
    }

    /// 2026-11-26T16:00:00Z, a Thursday.
    private static let now = Timestamp(milliseconds: 1_795_708_800_000)

    @Test(
        "the next time is the one that crontab(5) means",
        arguments: [
            ("0 22 * * *", "2026-11-26T22:00"), ("0 16 * * *", "2026-11-27T16:00"),
            ("*/15 * * * *", "2026-11-26T16:15"), ("5,35 9-17/4 * * *", "2026-11-26T17:05"),
            ("0 0 * * mon", "2026-11-30T00:00"), ("0 0 * * 7", "2026-11-29T00:00"),
            ("30 6 1 jan *", "2027-01-01T06:30"), ("0 12 29 2 *", "2028-02-29T12:00"),
            // Either the 1st or a Friday.
            ("0 0 1 * 5", "2026-11-27T00:00"), ("@daily", "2026-11-27T00:00"),
            ("0 8 * * 1-5", "2026-11-27T08:00"),
        ])
    func next(text: String, expected: String) throws {
        let next = try RepeatRule(text).next(after: Self.now, local: Self.utc)
        #expect(next?.description.hasPrefix(expected) == true, "\(next?.description ?? "never")")
    }

    @Test("what never comes never comes")
    func never() throws {
        #expect(try RepeatRule("0 0 31 2 *").next(after: Self.now, local: Self.utc) == nil)
    }

    @Test(
        "mistakes name the field",
        arguments: [
            ("60 * * * *", "minute"), ("0 24 * * *", "hour"), ("0 0 0 * *", "day"),
            ("0 0 * foo *", "month"), ("0 0 * * 5-1", "weekday"), ("*/0 * * * *", "minute"),
            ("0 22 * *", "4 fields"),
        ])
    func mistakes(text: String, word: String) throws {
        let error = try #require(throws: RepeatRule.Malformed.self) { try RepeatRule(text) }
        #expect(error.description.contains(word), "\(error)")
    }
}

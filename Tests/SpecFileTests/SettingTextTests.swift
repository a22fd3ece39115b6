import JobModel
import SpecFile
import Testing

@Suite("Settings")
struct SettingTextTests {
    @Test("settings read as the spec's keys do, and `none` takes a limit away")
    func settings() throws {
        let settings = try SettingText.parse([
            "parallel=8", "priority=-5", "time=2h, 3x median", "total=none", "failures=10%",
            "time=none",
        ])
        #expect(
            settings == [
                .parallel(8), .priority(-5), .time(7_200_000, overMedian: 3), .total(nil),
                .failures(.percent(10)), .time(nil, overMedian: nil),
            ])
    }

    @Test(
        "mistakes name what was typed",
        arguments: [
            ("paralel=8", "did you mean 'parallel'?"), ("parallel=0", "at least 1"),
            ("parallel=", "none takes the limit away"), ("time=soon", "duration"),
            ("cpus=8", "cannot be set"), ("priority=2000", "at most 1000"),
        ])
    func mistakes(text: String, words: String) throws {
        let error = try #require(throws: SpecError.self) { try SettingText.parse([text]) }
        #expect("\(error)".hasPrefix(text) && "\(error)".contains(words), "\(error)")
    }
}

import Glibc
import JobModel
import SpecFile
import Testing

@Suite("Specs: when and beside whom")
struct WhenSpecTests {
    private func parse(_ text: String) throws -> JobSpec {
        try SpecFile.parse(
            text: "image: host\ncommand: [a]\n" + text, path: "sweep.yaml", directory: "/specs",
            workingDirectory: "/here", home: "/home/me")
    }

    @Test("moments are read with their zone, as the next time of a day, or from now on")
    func start() throws {
        for (text, expected) in [
            ("2026-11-27T22:00Z", 1_795_816_800_000), ("2026-11-27T22:00:30Z", 1_795_816_830_000),
            ("2026-11-27 22:00+01:00", 1_795_813_200_000),
            ("2026-11-27T22:00-0230", 1_795_825_800_000),
        ] as [(String, Int64)] {
            #expect(try parse("start: \(text)").start?.milliseconds == expected, "\(text)")
        }
        let now = Int64(time(nil)) * 1000
        let next = try #require(try parse("start: '22:15'").start).milliseconds
        #expect((1...90_000_000).contains(next - now))
        var (moment, local) = (time_t(next / 1000), tm())
        localtime_r(&moment, &local)
        #expect(local.tm_hour == 22 && local.tm_min == 15 && local.tm_sec == 0)
        let soon = try #require(try parse("start: +90m").start).milliseconds
        #expect((5_399_000...5_410_000).contains(soon - now))
    }

    @Test("a group has a name and a number")
    func group() throws {
        let spec = try parse("group: {name: licences, parallel: 8}")
        #expect(spec.group == JobGroup(name: "licences", parallel: 8))
    }

    @Test(
        "mistakes are told where they stand",
        arguments: [
            ("start: tomorrow", "sweep.yaml:3:8", "no moment"),
            ("start: 25:00", "sweep.yaml:3:8", "no moment"),
            ("start: 2026-02-31T10:00", "sweep.yaml:3:8", "no moment"),
            ("repeat: 0 25 * * *", "sweep.yaml:3:9", "no hour"),
            ("group: {name: a}", "sweep.yaml:3:8", "parallel: 8"),
            ("group: {name: a, parallel: 0}", "sweep.yaml:3:28", "at least 1"),
        ])
    func mistakes(text: String, place: String, words: String) throws {
        let error = try #require(throws: SpecError.self) { try parse(text) }
        #expect("\(error)".contains(place) && "\(error)".contains(words), "\(error)")
    }
}

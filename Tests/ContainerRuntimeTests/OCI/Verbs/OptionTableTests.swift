import Glibc
import LinuxSystem
import Testing

@testable import ContainerRuntime

/// The table of options stays whole: it is held against what the command line says of itself, and against the tests there are.
@Suite(.enabled(if: TestImage.isPossible, TestImage.reason), .timeLimit(.minutes(1)))
struct OptionTableTests {
    private static let repository = #filePath.split(separator: "/").dropLast(5).map { "/" + $0 }
        .joined()

    /// `verb option` of each that the usage tells.
    private func usage() throws -> Set<String> {
        let text = try TestBundle().command(["--help"]).output
        var told: Set<String> = []
        var verb = "global"
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            if words.first == "martlet-runtime", words[1] != "serve" {
                verb = words[1]
                told.insert("\(verb) -")
            }
            for word in words where word.hasPrefix("[-") && words[1] != "serve" {
                let options = word.dropFirst().prefix { $0 != "]" }.split(separator: "|")
                told.formUnion(options.map { "\(verb) \($0)" })
            }
        }
        return told
    }

    @Test func everyOptionOfTheUsageHasARowAndEveryRowAnOption() throws {
        let rows = OptionTable.rows.map { "\($0.verb) \($0.option)" }
        #expect(Set(rows).count == rows.count)
        let told = try usage()
        #expect(told.count > 60)
        #expect(told.subtracting(rows) == [], "options without a row")
        #expect(Set(rows).subtracting(told) == [], "rows without an option")
    }

    @Test func everyTestInTheTableExists() throws {
        let folder = Self.repository + "/Tests/ContainerRuntimeTests/OCI/"
        let texts = try ["Verbs", "Fields"].flatMap { room in
            try Files.names(in: folder + room).map { try Files.text(folder + room + "/" + $0) }
        }
        for test in Set(OptionTable.rows.map(\.test)) {
            let parts = test.split(separator: ".")
            let isThere = texts.contains {
                $0.contains("struct \(parts[0]) ") && $0.contains("    func \(parts[1])(")
            }
            #expect(isThere, "\(test) is gone")
        }
    }
}

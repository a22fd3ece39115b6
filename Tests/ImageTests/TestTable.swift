import Foundation
import Testing

/// Rules, each with the test that shows it: the last word of a line is `Suite.function`.
struct TestTable: Sendable {
    let rows: [(rule: String, test: String)]

    init(_ text: String) {
        rows = text.split(separator: "\n").map { line in
            let words = line.split(separator: " ")
            return (
                words.dropLast().joined(separator: " "), String(words.last ?? "")
            )
        }
    }

    /// The tests of this folder, and those through the built executables, read off their sources. A function is a test where no
    /// other one stands between it and the attribute.
    static func tests() throws -> Set<String> {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        let other = folder.deletingLastPathComponent().appendingPathComponent("EndToEndTests")
        var tests: Set<String> = []
        for file in try [folder, other].flatMap({
            try FileManager.default.contentsOfDirectory(at: $0, includingPropertiesForKeys: nil)
        }) where file.lastPathComponent.hasSuffix("Tests.swift") {
            var (suite, isTest) = ("", false)
            let text = try String(contentsOf: file, encoding: .utf8)
            for line in text.split(separator: "\n") {
                if line.contains("@Test") { isTest = true }
                let type = word(after: "struct ", in: line) ?? word(after: "class ", in: line)
                if let type, !line.hasPrefix(" ") { suite = type }
                guard let name = word(after: "func ", in: line) else { continue }
                if isTest { tests.insert(suite + "." + name) }
                isTest = false
            }
        }
        return tests
    }

    private static func word(after word: String, in line: Substring) -> String? {
        guard let place = line.firstRange(of: word) else { return nil }
        return String(line[place.upperBound...].prefix { $0.isLetter || $0.isNumber || $0 == "_" })
    }
}

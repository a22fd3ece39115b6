import Foundation
import Testing

/// The table of layers stays whole: no row without a test, and no test that is not there.
@Suite("The table of layers")
struct LayerTableTests {
    @Test("every rule names tests that exist")
    func tests() throws {
        let known = try Self.known()
        #expect(!known.contains("LayerTableTests.noSuchTest"))
        let rules = LayerTable.rows.filter { $0.rule != $0.rule.uppercased() }
        #expect(rules.count > 60)
        for row in rules {
            #expect(!row.tests.isEmpty, "\(row.rule) has no test")
            for test in row.tests { #expect(known.contains(test), "\(row.rule): \(test) is gone") }
        }
    }

    /// `Suite.function` of every test beside this one, read off their sources.
    private static func known() throws -> Set<String> {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        var known: Set<String> = []
        for name in try FileManager.default.contentsOfDirectory(atPath: folder.path)
        where name.hasSuffix("Tests.swift") {
            let text = try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
            // A function is a test where none stands between it and the attribute.
            for part in text.components(separatedBy: "@Test").dropFirst() {
                guard let place = part.firstRange(of: " func ") else { continue }
                let function = part[place.upperBound...].prefix { $0.isLetter || $0.isNumber }
                known.insert(name.dropLast(6) + "." + function)
            }
        }
        return known
    }
}

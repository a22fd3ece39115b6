import Foundation
import Testing

@testable import OCIRuntimeSpec

/// The table of fields stays whole: neither a field without a row nor a row without its test.
@Suite struct FieldTableTests {
    @Test func `every field that is read has a row, and every row a field`() throws {
        let known = try KnownFields.inDocument.get()
        let told = FieldTable.rows.map(\.field)
        #expect(Set(told).count == told.count)
        #expect(known.paths.subtracting(told) == [], "fields without a row")
        #expect(Set(told).subtracting(known.paths) == [], "rows without a field")
    }

    @Test func `every field that the reader asks for is in the document of every field`() throws {
        let asked = try Set(KnownFields.sources().flatMap(KnownFields.asked))
        #expect(asked.count > 100)
        #expect(asked.subtracting(try KnownFields.inDocument.get().names) == [])
    }

    @Test func `every test in the table exists`() throws {
        let tests = try LiveTests.load()
        for test in Set(FieldTable.rows.map(\.test)) {
            #expect(tests.contains(test), "\(test) is gone")
        }
        #expect(!tests.contains("FieldTableTests.noSuchTest"))
    }
}

/// The fields that the reader looks at, found from outside: a member is known where a value of the wrong kind is an error.
struct KnownFields {
    private(set) var paths: Set<String> = []
    private(set) var names: Set<String> = []
    private let candidates: [String]

    /// All of the document that has every field in it.
    static let inDocument = Result<KnownFields, any Error> {
        var known = KnownFields(candidates: Set(try sources().flatMap(words)).sorted())
        let whole = try Document(Array(Documents.everyField.utf8), name: "").root.value()
        guard case .object(let root) = whole else { return known }
        try known.explore(root, "") { .object($0) }
        return known
    }

    private init(candidates: [String]) { self.candidates = candidates }

    private mutating func explore(
        _ object: JSONObject, _ path: String, _ whole: (JSONObject) -> JSONValue
    ) throws {
        if Self.error(whole(object.with("noSuchField", .bool(true)))) != nil {
            // A map takes any name; one of its values stands for all.
            guard let member = object.members.first else { return }
            try descend(member.value, path + "{}") { whole(object.with(member.name, $0)) }
            return
        }
        for name in Self.known(candidates, in: object, whole) {
            let field = path.isEmpty ? name : path + "." + name
            paths.insert(field)
            names.insert(name)
            for member in object.members where member.name == name {
                try descend(member.value, field) { whole(object.with(name, $0)) }
            }
        }
    }

    private mutating func descend(
        _ value: JSONValue, _ path: String, _ whole: (JSONValue) -> JSONValue
    ) throws {
        switch value {
        case .object(let object): try explore(object, path) { whole(.object($0)) }
        case .list(let items):
            // Items differ in what they have: a field of any of them is one of the list's.
            for (place, item) in items.enumerated() {
                try descend(item, path + "[]") {
                    var changed = items
                    changed[place] = $0
                    return whole(.list(changed))
                }
            }
        default: break
        }
    }

    /// No kind of value is both a truth and a number.
    private static func known(
        _ candidates: [String], in object: JSONObject, _ whole: (JSONObject) -> JSONValue
    ) -> [String] {
        var known: [String] = []
        for wrong in [JSONValue.bool(true), .integer(0)] {
            var left = candidates.filter { !known.contains($0) }
            while true {
                let changed = left.reduce(object) { $0.with($1, wrong) }
                guard let error = error(whole(changed)) else { break }
                let name = error.field.split(separator: ".").last.map(String.init) ?? ""
                guard let place = left.firstIndex(of: name) else {
                    Issue.record("\(error) is about no field that was changed")
                    break
                }
                known.append(left.remove(at: place))
            }
        }
        return known
    }

    private static func error(_ value: JSONValue) -> SpecError? {
        do throws(SpecError) {
            _ = try RuntimeSpec(json: value.text(indented: false))
            return nil
        } catch { return error }
    }

    // MARK: The reader's text

    /// All but what reads Docker's seccomp profiles, which are another document.
    static func sources() throws -> [String] {
        let folder = LiveTests.repository.appendingPathComponent("Sources/OCIRuntimeSpec/Reading")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        return try names.filter { $0 != "SeccompProfile+Read.swift" }.map {
            try String(contentsOf: folder.appendingPathComponent($0), encoding: .utf8)
        }
    }

    /// Strings of the text, each with what stands before it.
    private static func strings(in text: String) -> [(before: Substring, word: Substring)] {
        let parts = text.split(separator: "\"", omittingEmptySubsequences: false)
        return stride(from: 1, to: parts.count, by: 2).map { (parts[$0 - 1], parts[$0]) }
    }

    /// Whatever could be a field's name.
    private static func words(_ text: String) -> [String] {
        strings(in: text).map(\.word).filter { word in
            word.first?.isLowercase == true && word.allSatisfy { $0.isLetter || $0.isNumber }
        }.map(String.init)
    }

    /// Names in the calls that look for a member.
    static func asked(_ text: String) -> [String] {
        let calls = [
            "optional(", "required(", "list(", "strings(", "map(", "environment(", "idMappings(",
            "errno(", "mask(field, ",
        ]
        return strings(in: text).filter { string in
            calls.contains { string.before.hasSuffix($0) }
        }.map { String($0.word) }
    }
}

extension JSONObject {
    fileprivate func with(_ name: String, _ value: JSONValue) -> JSONObject {
        var changed = JSONObject()
        for member in members where member.name != name { changed.set(member.name, member.value) }
        changed.set(name, value)
        return changed
    }
}

extension Field {
    /// As it could be written again.
    fileprivate func value() throws -> JSONValue {
        switch document.values[index].kind {
        case .null: .bool(false)
        case .boolean: .bool(try bool())
        case .number:
            if let number: Int64 = try? integer() {
                .integer(number)
            } else {
                .unsigned(try integer())
            }
        case .string: .string(try string())
        case .array: .list(try items().map { try $0.value() })
        case .object:
            .object(
                try members().reduce(into: JSONObject()) { $0.set($1.name, try $1.value.value()) })
        }
    }
}

/// The tests that there are, read off their sources: `Suite.function`.
struct LiveTests {
    static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()
    private var names: Set<String> = []

    static func load() throws -> LiveTests {
        let folder = repository.appendingPathComponent("Tests")
        let names = FileManager.default.enumerator(atPath: folder.path)?.allObjects ?? []
        var tests = LiveTests()
        for name in names.compactMap({ $0 as? String }) where name.hasSuffix("Tests.swift") {
            tests.read(
                try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8))
        }
        return tests
    }

    /// A function is a test where no other one stands between it and the attribute.
    private mutating func read(_ text: String) {
        var (suite, isTest) = ("", false)
        for line in text.split(separator: "\n") {
            if line.contains("@Test") { isTest = true }
            if let name = Self.name(after: "struct ", in: line), !line.hasPrefix(" ") {
                suite = name
            }
            guard let name = Self.name(after: "func ", in: line) else { continue }
            if isTest { names.insert(suite + "." + name) }
            isTest = false
        }
    }

    private static func name(after word: String, in line: Substring) -> String? {
        guard let place = line.firstRange(of: word) else { return nil }
        return String(line[place.upperBound...].prefix { $0.isLetter || $0.isNumber || $0 == "_" })
    }

    func contains(_ test: String) -> Bool { names.contains(test) }
}

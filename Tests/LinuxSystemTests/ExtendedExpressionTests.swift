import LinuxSystem
import Testing

@Suite("Regular expressions")
struct ExtendedExpressionTests {
    private static func groups(_ pattern: String, _ line: String) throws -> [String] {
        let bytes = Array(line.utf8)
        // Not at the start of its array.
        let slice = ([120, 121] + bytes)[2...]
        return try ExtendedExpression(pattern).firstGroups(in: slice).map {
            String(decoding: slice[$0], as: UTF8.self)
        }
    }

    @Test("every match of a line has its group")
    func matches() throws {
        #expect(try Self.groups("a=([0-9]+)", "a=1 b=2 a=34") == ["1", "34"])
        #expect(try Self.groups("^a=([0-9]+)", "a=1 a=2") == ["1"])
        #expect(try Self.groups("(x*)", "axb") == ["", "x", "", ""])
        #expect(try Self.groups("a(b)?c", "ac abc") == ["b"], "a group that took no part")
        #expect(try Self.groups("a=([0-9]+)$", "a\0=1 a=2") == ["2"], "NUL is a byte")
        #expect(try Self.groups("a=(1)", "").isEmpty)
    }

    @Test("matches are looked for until a deadline")
    func deadline() throws {
        let line = Array(String(repeating: "a", count: 100).utf8)[...]
        let expression = try ExtendedExpression("(a)")
        #expect(expression.firstGroups(in: line).count == 100)
        #expect(expression.firstGroups(in: line, until: 0) == [0..<1])
    }

    @Test("what does not compile says why, and groups are counted")
    func malformed() throws {
        let error = #expect(throws: ExtendedExpression.Malformed.self) {
            try ExtendedExpression("(a")
        }
        #expect(error?.description.isEmpty == false)
        #expect(try ExtendedExpression("(a)|[(](b)").groups == 2)
        #expect(ExtendedExpression.hasBackReference("(a)\\1"))
        #expect(!ExtendedExpression.hasBackReference("(a)\\\\1\\."))
    }
}

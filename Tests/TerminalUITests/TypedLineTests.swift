import Testing

@testable import TerminalUI

@Suite("A line that is typed and not shown")
struct TypedLineTests {
    @Test(
        "keys edit it as they do any other line",
        arguments: [
            ("secret\r", .done("secret")), ("\n", .done("")),
            ("se\u{7f}\u{8}cret\r", .done("cret")),
            ("\u{7f}x\r", .done("x")), ("pä\u{7f}a\r", .done("pa")),
            ("wrong\u{15}right\r", .done("right")),
            ("sec\u{3}", .takenBack), ("\u{4}", .takenBack), ("a\u{4}b\r", .done("ab")),
            ("half", .more),
        ] as [(String, TypedLine.Step)])
    func keys(typed: String, outcome: TypedLine.Step) {
        var line = TypedLine()
        var last = TypedLine.Step.more
        for byte in typed.utf8 { last = line.take(byte) }
        #expect(last == outcome)
    }
}

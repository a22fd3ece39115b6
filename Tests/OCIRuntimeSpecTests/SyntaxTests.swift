import OCIRuntimeSpec
import Testing

/// Text that is no JSON, or JSON that two readers would understand differently.
@Suite struct SyntaxTests {
    @Test(
        "what is no JSON is refused where it stops being JSON",
        arguments: [
            ("", 1, 1, "the text ends early"),
            ("{\n  \"a\": 1,\n  \"b\" 2\n}", 3, 7, "a colon is missing"),
            ("{\"a\": 1 \"b\": 2}", 1, 9, "a comma is missing"),
            ("{\"a\": 1,}", 1, 9, "a name is missing"),
            ("{a: 1}", 1, 2, "a name is missing"),
            ("[1, 2", 1, 6, "a comma is missing"),
            ("{} {}", 1, 4, "the document ends before this"),
            ("{\"a\": nul}", 1, 7, "no JSON value begins so"),
            ("{\"a\": 'x'}", 1, 7, "no JSON value begins so"),
            ("{\"a\": 01}", 1, 8, "a comma is missing"),
            ("{\"a\": -}", 1, 8, "a digit is missing"),
            ("{\"a\": 1.}", 1, 9, "a digit is missing"),
            ("{\"a\": 1e}", 1, 9, "a digit is missing"),
            ("{\"a\": \"x", 1, 9, "the text ends early"),
            ("{\"a\": \"x\ny\"}", 1, 9, "a control character in a string"),
            ("{\"a\": \"\\x\"}", 1, 9, "no such escape"),
            ("{\"a\": \"\\u12g4\"}", 1, 10, "four hex digits are missing"),
            ("{\"a\": \"\\ud800\"}", 1, 14, "half of a surrogate pair"),
            ("{\"a\": \"\\ud800\\u0041\"}", 1, 20, "half of a surrogate pair"),
            ("{\"a\": \"\\udc00\"}", 1, 14, "half of a surrogate pair"),
            ("{\"a\": 1,\n \"\\u0061\": 2}", 2, 3, "this name stands twice in its object"),
            ("{\"x\": {\"a\": 1, \"a\": 2}}", 1, 17, "this name stands twice in its object"),
        ])
    func syntax(text: String, line: Int, column: Int, problem: String) {
        let error = #expect(throws: SpecError.self) { try RuntimeSpec(json: Array(text.utf8)) }
        #expect(error?.description == "config.json:\(line):\(column): \(problem)")
    }

    @Test func `a name that stands twice is found among many, too`() {
        let names = (0..<100).map { "\"n\($0)\": 0" } + ["\"n57\": 1"]
        let error = #expect(throws: SpecError.self) {
            try RuntimeSpec(json: Array("{\(names.joined(separator: ","))}".utf8))
        }
        #expect(error?.problem == "this name stands twice in its object")
    }

    @Test func `bytes that are no UTF-8 are refused`() {
        let text = Array("{\"a\":\n\"".utf8) + [0xC3, 0x28] + Array("\"}".utf8)
        let error = #expect(throws: SpecError.self) { try RuntimeSpec(json: text) }
        #expect(error?.description == "config.json:2:2: no UTF-8")
    }

    @Test func `nesting without end is refused and costs no stack`() {
        let text = [UInt8](repeating: UInt8(ascii: "["), count: 1_000_000)
        let error = #expect(throws: SpecError.self) { try RuntimeSpec(json: text) }
        #expect(error?.problem == "nested too deeply")
    }

    @Test(
        "escapes stand for what they name",
        arguments: [
            (#"\" \\ \/ \b\f\n\r\t"#, "\" \\ / \u{8}\u{c}\n\r\t"), (#"\u0041\u00e9\u20AC"#, "Aé€"),
            (#"\ud83d\ude00!"#, "😀!"), ("é€😀", "é€😀"),
        ])
    func escapes(text: String, meaning: String) throws {
        let spec = try RuntimeSpec(
            json: Array(
                #"{"ociVersion":"1.0.0","root":{"path":"\#(text)"}}"#.utf8))
        #expect(spec.root?.path == meaning)
    }

    @Test func `a field is found by its name, however that is written`() throws {
        let text = #"{"oci\u0056ersion":"1.0.0","root":{"path":"r"},"hostname":"x"}"#
        #expect(try RuntimeSpec(json: Array(text.utf8)).hostname == "x")
    }

    @Test func `an error names the document, the field and the problem`() {
        let process =
            #"{"cwd":"/","args":["a"],"rlimits":[{"type":"RLIMIT_FOO","soft":1,"hard":1}]}"#
        let error = #expect(throws: SpecError.self) {
            try ProcessSpec(json: Array(process.utf8), name: "p.json")
        }
        #expect(
            error?.description == "p.json: rlimits[0].type: RLIMIT_FOO is no resource limit")
    }

    @Test func `what a message quotes is short and prints`() {
        let name = "\u{1b}[31m" + String(repeating: "x", count: 1000)
        let text = #"{"ociVersion":"\u001b[31m\#(String(repeating: "x", count: 1000))"}"#
        let error = #expect(throws: SpecError.self) { try RuntimeSpec(json: Array(text.utf8)) }
        #expect(error?.description.contains("\u{1b}") == false)
        #expect((error?.description.count ?? name.count) < 200)
    }
}

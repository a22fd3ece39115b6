import Testing

@testable import OCIRuntimeSpec

/// YAML as the JSON of the same content.
@Suite struct YAMLScannerTests {
    private static func json(_ yaml: String) throws -> String {
        var scanner = YAMLScanner(Array(yaml.utf8))
        try scanner.scan()
        return String(decoding: scanner.json, as: UTF8.self)
    }

    @Test(arguments: [
        ("a: 1", #"{"a":1}"#),
        ("", "null"), ("# nothing\n", "null"), ("---\n- 1\n...\n", "[1]"),
        ("a:\n- 1\n- 2\nb: 3\n", #"{"a":[1,2],"b":3}"#),
        ("a:\n  - 1\n\n  # between\n  - - 2\n    - 3\n", #"{"a":[1,[2,3]]}"#),
        ("- a: 1\n  b:\n    c: 2\n- d: 3\n", #"[{"a":1,"b":{"c":2}},{"d":3}]"#),
        ("-\n  a: 1\n-\n- x\n", #"[{"a":1},null,"x"]"#),
        ("a:\nb: ~\nc: null\r\nd:   # said\n", #"{"a":null,"b":null,"c":null,"d":null}"#),
        (
            "a: 0666\nb: 0o17\nc: 0x1F\nd: -3\ne: 1.5\nf: 0\ng: 08\nh: +4\n",
            #"{"a":438,"b":15,"c":31,"d":-3,"e":1.5,"f":0,"g":"08","h":4}"#
        ),
        (
            "a: true\nb: False\nc: yes\nd: 1.2.0\n",
            #"{"a":true,"b":false,"c":"yes","d":"1.2.0"}"#
        ),
        ("a: b:c #d\ne: f#g # h\n", #"{"a":"b:c","e":"f#g"}"#),
        (
            "a: one\n  two\n\n  three\nb: 1\n",
            #"{"a":"one two\u000athree","b":1}"#
        ),
        (#"a: "x\ty\x41é\"\\""#, #"{"a":"x\u0009yAé\"\\"}"#),
        ("a: 'it''s'\n'b': \"two\n  lines\"\n", #"{"a":"it's","b":"two lines"}"#),
        ("a: |\n  one\n    two\n\nb: |-\n  x\n", #"{"a":"one\u000a  two\u000a","b":"x"}"#),
        (
            "a: [1, two, 'three', [4], {b: 5, \"c\":6}, ]\n",
            #"{"a":[1,"two","three",[4],{"b":5,"c":6}]}"#
        ),
        ("a: {}\nb: []\nc: [\n  1, # one\n  2\n]\n", #"{"a":{},"b":[],"c":[1,2]}"#),
        (#"{"a": [1, 2], "b": {"c": null}}"#, #"{"a":[1,2],"b":{"c":null}}"#),
    ])
    func everyFormSaysWhatItsJSONSays(yaml: String, expected: String) throws {
        #expect(try Self.json(yaml) == expected)
    }

    @Test(arguments: [
        ("a: 1\na: 2\n", 5, "this name stands twice in its mapping"),
        ("{a: 1, a: 2}", 7, "this name stands twice in its mapping"),
        ("a: &x 1\n", 3, "anchors are not read"), ("a: *x\n", 3, "anchors are not read"),
        ("a: !!str 1\n", 3, "tags are not read"), ("a: >\n  x\n", 3, "folded scalars are not read"),
        ("a: b: c\n", 3, "a second colon in the line"),
        ("a: b\n  c: d\n", 8, "a colon in a text that began in another line"),
        ("a: 1\n   b: 2\n", 9, "a colon in a text that began in another line"),
        ("a:\n  b: 1\n c: 2\n", 11, "not indented as what it could belong to"),
        ("a:\n\tb: 1\n", 3, "a tab in the indentation"),
        ("a: 1\n---\nb: 2\n", 5, "a second document"),
        ("a: 'x\n", 3, "a quotation mark that nothing closes"),
        ("a: [1\n", 3, "a bracket that nothing closes"),
        ("a: [1 2: 3]", 7, "a colon in a text without quotes"),
        ("a: ['1' 2]", 8, "a comma is missing"),
        ("a: \"x\" y\n", 7, "more in the line than a value"),
        ("a\nb: 1\n", 3, "a colon in a text that began in another line"),
        ("a: \"\\q\"", 5, "no such escape"), ("a: \u{1}", 3, "a control character"),
        ("? a\n: b\n", 0, "names with a question mark are not read"),
        ("- a\nb: 1\n", 4, "not indented as what it could belong to"),
        ("a: - b\n", 3, "a list within the line of its name"),
    ])
    func whatIsNotSureIsRefused(yaml: String, offset: Int, problem: String) {
        let error = #expect(throws: YAMLScanner.Problem.self) { try Self.json(yaml) }
        #expect(error?.text == problem)
        #expect(error?.offset == offset)
    }

    @Test func nothingThatIsNestedWithoutEndEndsTheProgram() {
        for text in [String(repeating: "[", count: 10_000), String(repeating: "- ", count: 10_000)]
        {
            #expect(throws: YAMLScanner.Problem.self) { try Self.json(text) }
        }
    }

    @Test func aMistakeIsToldByLineAndColumn() {
        let error = #expect(throws: SpecError.self) {
            try CDISpec(text: Array("a: 1\nb: &c 2\n".utf8), name: "/etc/cdi/x.yaml")
        }
        #expect(error?.description == "/etc/cdi/x.yaml:2:4: anchors are not read")
    }
}

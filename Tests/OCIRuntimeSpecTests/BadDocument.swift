import OCIRuntimeSpec
import Testing

/// One rule: a document that breaks it, the field that is to be named, and what is to be said of it.
struct BadDocument: Sendable, CustomTestStringConvertible {
    let json: String
    let field: String
    let problem: String
    var testDescription: String { "\(field): \(problem)" }

    /// A whole document.
    init(_ json: String, _ field: String, _ problem: String) {
        self.json = json
        self.field = field
        self.problem = problem
    }

    /// A sound document, but for these properties, which stand beside `root`.
    static func top(_ properties: String, _ field: String, _ problem: String) -> BadDocument {
        BadDocument(
            #"{"ociVersion":"1.2.0","root":{"path":"rootfs"},\#(properties)}"#, field, problem)
    }

    static func process(_ properties: String, _ field: String, _ problem: String) -> BadDocument {
        top(
            #""process":{"cwd":"/","args":["sh"],\#(properties)}"#, "process." + field, problem)
    }

    static func linux(_ properties: String, _ field: String, _ problem: String) -> BadDocument {
        top(#""linux":{\#(properties)}"#, "linux." + field, problem)
    }

    static func resources(_ properties: String, _ field: String, _ problem: String) -> BadDocument {
        linux(#""resources":{\#(properties)}"#, "resources." + field, problem)
    }

    func expectRefusal() {
        let error = #expect(throws: SpecError.self) { try RuntimeSpec(json: Array(json.utf8)) }
        #expect(error?.field == field)
        #expect(error?.problem == problem)
    }
}

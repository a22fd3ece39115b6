/// What is wrong with a document, and where.
public struct SpecError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The document's name: `config.json`.
    public let document: String
    /// `process.rlimits[0].type`; empty for the document as a whole, and for text that is no JSON.
    public let field: String
    public let problem: String
    /// Line and column, from 1, of text that is no JSON; columns count bytes.
    public let line: Int?
    public let column: Int?

    public init(
        document: String, field: String = "", problem: String, line: Int? = nil, column: Int? = nil
    ) {
        self.document = document
        self.field = field
        self.problem = problem
        self.line = line
        self.column = column
    }

    /// `config.json: process.rlimits[0].type: RLIMIT_FOO is no resource limit`, `config.json:12:7: a comma is missing`.
    public var description: String {
        let place = line.map { ":\($0):\(column ?? 1)" } ?? ""
        return "\(document)\(place): " + (field.isEmpty ? problem : "\(field): \(problem)")
    }
}

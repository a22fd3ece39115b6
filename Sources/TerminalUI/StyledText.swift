/// Text in pieces with a style each, whose columns can be counted: each character takes one.
struct StyledText: Sendable {
    private var pieces: [(text: String, style: Style?)]

    init(_ text: String, _ style: Style? = nil) { pieces = [(Table.visible(text), style)] }

    var text: String { pieces.map(\.text).joined() }
    var count: Int { pieces.reduce(0) { $0 + $1.text.count } }

    static func + (one: StyledText, other: StyledText) -> StyledText {
        var both = one
        both.pieces += other.pieces
        return both
    }

    /// The last of the columns is an ellipsis where it is longer.
    func cut(to width: Int) -> StyledText {
        guard count > width else { return self }
        var (cut, left) = (self, max(0, width - 1))
        cut.pieces = pieces.map { piece in
            let text = String(piece.text.prefix(left))
            left -= text.count
            return (text, piece.style)
        }
        return cut + StyledText("…")
    }

    func styled(_ isColoured: Bool) -> String {
        pieces.filter { !$0.text.isEmpty }.map { piece in
            piece.style.map { $0(piece.text, isColoured) } ?? piece.text
        }.joined()
    }
}

extension String {
    var withoutTrailingBlanks: String {
        var text = self
        while text.last == " " { text.removeLast() }
        return text
    }
}

/// Columns of text, aligned.
public struct Table: Sendable {
    public enum Alignment: Sendable { case left, right }
    public struct Column: Sendable {
        public var title: String
        public var alignment: Alignment
        public init(_ title: String, _ alignment: Alignment = .left) {
            self.title = title
            self.alignment = alignment
        }
    }
    private let columns: [Column]
    private var rows: [[String]] = []

    public init(_ columns: [Column]) { self.columns = columns }

    /// As many cells as there are columns; control characters are shown and not sent to the terminal.
    public mutating func add(_ cells: [String]) {
        rows.append(
            cells.map {
                $0.unicodeScalars.contains { $0.value < 32 || $0.value == 127 }
                    ? Self.visible($0) : $0
            })
    }

    /// Lines without trailing blanks, the titles first; cut to `width` characters where one is given.
    public func lines(width: Int? = nil) -> [String] {
        let all = [columns.map(\.title)] + rows
        let widths = columns.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        return all.map { cells in
            var line = ""
            for (column, cell) in cells.enumerated() {
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                line +=
                    (column > 0 ? "  " : "")
                    + (columns[column].alignment == .right ? padding + cell : cell + padding)
            }
            while line.last == " " { line.removeLast() }
            if let width, line.count > width { line = String(line.prefix(max(0, width - 1))) + "…" }
            return line
        }
    }

    static func visible(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { $0.value < 32 || $0.value == 127 ? "·" : $0 }))
    }
}

/// Numbers and durations as people read them.
public enum Words {
    /// `1 task`, `2 tasks`.
    public static func count(_ number: Int, _ noun: String) -> String {
        "\(number) \(noun)\(number == 1 ? "" : "s")"
    }

    /// Seconds → `0.4s`, `12s`, `3m 05s`, `2h 10m`, `3d 4h`.
    public static func duration(_ seconds: Double) -> String {
        let whole = Int(seconds.rounded())
        switch seconds {
        case ..<10: return "\(Double(Int(seconds * 10)) / 10)s"
        case ..<60: return "\(whole)s"
        case ..<3600: return "\(whole / 60)m \(two(whole % 60))s"
        case ..<86_400: return "\(whole / 3600)h \(two(whole % 3600 / 60))m"
        default: return "\(whole / 86_400)d \(whole % 86_400 / 3600)h"
        }
    }

    /// Bytes → `512 B`, `3.4 MiB`.
    public static func size(_ bytes: Int64) -> String {
        var value = Double(bytes)
        for unit in ["B", "KiB", "MiB", "GiB"] {
            if value < 1024 {
                return unit == "B" ? "\(bytes) B" : "\(Double(Int(value * 10)) / 10) \(unit)"
            }
            value /= 1024
        }
        return "\(Double(Int(value * 10)) / 10) TiB"
    }

    /// At most six significant digits.
    public static func number(_ value: Double) -> String {
        if value == value.rounded(), abs(value) < 1e15 { return "\(Int64(value))" }
        let text = "\(value)"
        guard text.count > 8, !text.contains("e") else { return text }
        let digits = text.drop { "-0.".contains($0) }.filter { $0 != "." }.count
        guard digits > 6 else { return text }
        var scale = 1.0
        while abs(value) * scale < 100_000 { scale *= 10 }
        return "\((value * scale).rounded() / scale)"
    }

    private static func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
}

extension Chart {
    /// A letter a job, large where at least half of the node is held; `·` is idle, `x` away. With colours a job has one of its own,
    /// and the height of the block is what is held.
    /// - Parameters:
    ///   - width: columns of the whole drawing.
    ///   - height: rows for nodes, at most; nodes that follow each other share one where they are more.
    ///   - paint: puts a text in the colour of a slot, nil for what is faint; nil where there are no colours.
    public func text(
        width: Int, height: Int = 40, paint: ((String, Int?) -> String)? = nil
    ) -> String {
        let rows = rows(limit: height)
        let margin = min(24, rows.map(\.label.count).max() ?? 0) + 1
        let columns = max(10, width - margin)
        var lines = rows.map { row in
            let label = String(row.label.prefix(margin - 1))
            let cells = (0..<columns).map { mark(cell(row, column: $0, of: columns), paint) }
            return label + String(repeating: " ", count: margin - label.count) + cells.joined()
        }
        lines.append(String(repeating: " ", count: margin) + axis(columns))
        return (lines + legend(width, paint)).joined(separator: "\n") + "\n"
    }

    private func mark(_ cell: Cell, _ paint: ((String, Int?) -> String)?) -> String {
        if cell.isDown { return paint?("x", nil) ?? "x" }
        guard let slot = cell.slot else { return paint?("·", nil) ?? "·" }
        guard let paint else {
            let letter = Self.letter(slot)
            return cell.share >= 0.5 ? letter.uppercased() : letter
        }
        let blocks = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]
        return paint(blocks[min(7, Int(cell.share * 8))], slot)
    }

    static func letter(_ slot: Int) -> String {
        String(UnicodeScalar(UInt8(ascii: "a") + UInt8(slot % 26)))
    }

    /// Times below every fifth of it.
    private func axis(_ columns: Int) -> String {
        let marks = max(1, min(5, columns / 14))
        var line = ""
        for mark in 0...marks {
            let label = Self.time(length * Double(mark) / Double(marks) / 1000)
            let column = columns * mark / marks
            let begin = mark == marks ? columns - label.count : column
            line += String(repeating: " ", count: max(0, begin - line.count)) + label
        }
        return line
    }

    private func legend(_ width: Int, _ paint: ((String, Int?) -> String)?) -> [String] {
        var lines = [""]
        var used = 0
        for (slot, name) in slotNames.enumerated() where !name.isEmpty {
            let sign = paint?("█", slot) ?? Self.letter(slot).uppercased()
            let length = name.count + 4
            if used > 0, used + length > width {
                lines.append("")
                used = 0
            }
            lines[lines.count - 1] += (used > 0 ? "  " : "") + sign + " " + name
            used += length
        }
        return lines
    }

    /// `2h 05m`, `12m 30s`, `41.5 s`: seconds for people, in few characters.
    public static func time(_ seconds: Double) -> String {
        func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let whole = Int(seconds.rounded())
        if whole >= 86_400 { return "\(whole / 86_400)d \(two(whole % 86_400 / 3600))h" }
        if whole >= 3600 { return "\(whole / 3600)h \(two(whole % 3600 / 60))m" }
        if whole >= 60 { return "\(whole / 60)m \(two(whole % 60))s" }
        let tenths = (seconds * 10).rounded() / 10
        return tenths == tenths.rounded() ? "\(Int(tenths))s" : "\(tenths)s"
    }
}

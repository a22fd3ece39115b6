extension Chart {
    /// A page of its own, SVG 1.1: a lane a node, in it the jobs stacked by what they hold.
    /// - Parameter height: lanes at most; nodes that follow each other share one where they are more.
    public func svg(height: Int = 100) -> String {
        let rows = rows(limit: height)
        let lane = rows.count > 40 ? 10.0 : 18.0
        let (left, top, width) = (160.0, 30.0, 960.0)
        let columns = Timeline.spans
        var out: [String] = []
        for (number, row) in rows.enumerated() {
            let y = top + Double(number) * (lane + 2)
            out.append(
                "<text x=\"\(left - 6)\" y=\"\(Self.short(y + lane * 0.75))\" text-anchor=\"end\">\(Self.escaped(row.label))</text>"
                    + "<rect x=\"\(left)\" y=\"\(Self.short(y))\" width=\"\(width)\" height=\"\(lane)\" fill=\"#eee\"/>"
            )
            for column in 0..<columns {
                let x = left + width * Double(column) / Double(columns)
                out += bars(
                    shares(row, column: column, of: columns), x, y, width / Double(columns), lane)
            }
        }
        let bottom = top + Double(rows.count) * (lane + 2)
        out += axis(left, bottom + 14, width) + legend(left, bottom + 34)
        let page = bottom + 50 + 16 * Double((slotNames.count + 3) / 4)
        return """
            <svg xmlns="http://www.w3.org/2000/svg" width="1140" height="\(Self.short(page))" \
            font-family="sans-serif" font-size="11">
            \(out.joined(separator: "\n"))
            </svg>

            """
    }

    private func bars(_ shares: [Double], _ x: Double, _ y: Double, _ width: Double, _ lane: Double)
        -> [String]
    {
        var height = 0.0
        return shares.indices.compactMap { slot in
            let part = min(shares[slot], 1 - height)
            guard part > 0.001 else { return nil }
            height += part
            let colour = slot == timeline.downSlot ? "#bbb" : Self.colour(slot)
            return
                "<rect x=\"\(Self.short(x))\" y=\"\(Self.short(y + lane * (1 - height)))\" "
                + "width=\"\(Self.short(width + 0.1))\" height=\"\(Self.short(lane * part))\" fill=\"\(colour)\"/>"
        }
    }

    private func axis(_ left: Double, _ y: Double, _ width: Double) -> [String] {
        (0...6).map { mark in
            let x = left + width * Double(mark) / 6
            let label = Self.time(length * Double(mark) / 6000)
            return
                "<text x=\"\(Self.short(x))\" y=\"\(Self.short(y))\" text-anchor=\"middle\">\(label)</text>"
        }
    }

    private func legend(_ left: Double, _ y: Double) -> [String] {
        slotNames.enumerated().map { slot, name in
            let x = left + Double(slot % 4) * 240
            let line = y + Double(slot / 4) * 16
            return
                "<rect x=\"\(Self.short(x))\" y=\"\(Self.short(line - 9))\" width=\"10\" height=\"10\" fill=\"\(Self.colour(slot))\"/>"
                + "<text x=\"\(Self.short(x + 14))\" y=\"\(Self.short(line))\">\(Self.escaped(name))</text>"
        }
    }

    /// Okabe and Ito's, which most eyes tell apart, and then lighter ones.
    private static func colour(_ slot: Int) -> String {
        let colours = [
            "#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7", "#f0e442", "#555555",
            "#7fb8d8", "#f2cf80", "#80cfb9", "#eaae80",
        ]
        return colours[slot % colours.count]
    }

    private static func short(_ value: Double) -> String {
        String((value * 100).rounded() / 100)
    }

    private static func escaped(_ text: String) -> String {
        text.reduce(into: "") { result, character in
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            default: result.append(character)
            }
        }
    }
}

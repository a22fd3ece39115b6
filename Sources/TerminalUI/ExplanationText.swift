public import JobModel

/// An explanation for people.
public struct ExplanationText {
    private let report: ExplanationReport
    private let width: Int
    private let isColoured: Bool

    /// - Parameter width: columns; longer sentences go on below.
    public init(
        _ report: ExplanationReport, width: Int, isColoured: Bool = Terminal.hasColour
    ) {
        self.report = report
        self.width = max(40, width)
        self.isColoured = isColoured
    }

    public var lines: [String] {
        let subject =
            report.index.map { "task \(report.job)_\($0)" } ?? "job \(report.job)"
        let state = report.taskState?.rawValue ?? report.state.rawValue
        var lines = [Style.strong("\(subject)  \(report.name)  \(state)", isColoured)]
        if let reason = report.reason { lines += wrapped(reason, indent: 2) }
        if let wait = report.wait { lines += [""] + self.lines(of: wait) }
        if let place = report.place { lines += [""] + self.lines(of: place) }
        if lines.count == 1 {
            lines += wrapped(
                report.state.isFinal || report.taskState?.isFinal == true
                    ? "it has ended; `martlet show` tells where it ran and how it went"
                    : "there is nothing that it waits for", indent: 2)
        }
        return lines
    }

    private func lines(of wait: ExplanationReport.Wait) -> [String] {
        var lines = ["\(wait.tasks) task\(wait.tasks == 1 ? " waits" : "s wait") for room"]
        lines += field("each needs", wait.needs)
        if let expected = wait.expected {
            let node = wait.expectedNode.map { " on \($0)" } ?? ""
            lines += field(
                "expected",
                "\(Self.second(expected))\(node)" + (wait.isReserved ? ", kept for it" : ""))
        } else if wait.isReserved, let node = wait.expectedNode {
            lines += field("expected", "nobody knows when; \(node) is kept for it")
        } else if wait.nodes.contains(where: { !$0.obstacles.contains(where: \.isForGood) }) {
            lines += field(
                "expected", "nobody knows: set limits.time, or let some tasks end")
        }
        let share = Words.number((wait.share * 1000).rounded() / 10)
        lines += field(
            "order", "priority \(wait.priority), has and lately had \(share) % of the cluster")
        if !wait.behind.isEmpty {
            lines += field(
                "behind", "job\(wait.behind.count == 1 ? "" : "s") " + list(wait.behind))
        }
        for node in wait.nodes { lines += [""] + self.lines(of: node) }
        if wait.moreNodes > 0 { lines += ["", "  … and \(wait.moreNodes) more nodes"] }
        return lines
    }

    /// A time without its milliseconds: nobody expects so exactly.
    private static func second(_ time: String) -> Substring { time.prefix(19) }

    private func list(_ jobs: [JobID]) -> String {
        let shown = jobs.prefix(8).map { "\($0)" }.joined(separator: ", ")
        return jobs.count > 8 ? "\(shown) and \(jobs.count - 8) more" : shown
    }

    private func lines(of node: ExplanationReport.Node) -> [String] {
        var lines = ["  \(node.name)"]
        if node.obstacles.isEmpty {
            lines[0] += "  " + Style.good("has room", isColoured)
        }
        for obstacle in node.obstacles {
            let text = wrapped(obstacle.text, indent: 4)
            lines += text.map {
                obstacle.isForGood ? Style.bad($0, isColoured) : Style.warning($0, isColoured)
            }
            for holder in obstacle.holders.prefix(4) {
                let when = holder.expected.map { ", the first free at \(Self.second($0))" } ?? ""
                lines += wrapped(
                    "job \(holder.job) \(holder.name) has \(holder.amount)\(when)", indent: 6)
            }
            if obstacle.holders.count > 4 {
                lines.append("      … and \(obstacle.holders.count - 4) more jobs")
            }
        }
        return lines
    }

    private func lines(of place: ExplanationReport.Place) -> [String] {
        let nodes = place.nodes ?? [place.node]
        var lines = ["task \(report.job)_\(place.index) is on \(nodes.joined(separator: ", "))"]
        if !place.cpus.isEmpty {
            lines += field("CPUs", place.cpus.map(String.init).joined(separator: ","))
            lines += field("NUMA nodes", place.numaNodes.map(String.init).joined(separator: ","))
        }
        if !place.gpus.isEmpty { lines += field("GPUs", place.gpus.joined(separator: " ")) }
        if let end = place.expectedEnd {
            lines += field("ends", "\(Self.second(end)) at the latest, as expected")
        }
        guard !place.score.isEmpty else { return lines }
        lines += [""] + scoreLines(place)
        if let better = place.betterNow {
            lines += wrapped("\(better) would be better now that others have ended", indent: 2)
        }
        return lines
    }

    private func scoreLines(_ place: ExplanationReport.Place) -> [String] {
        guard let other = place.nextBest else {
            return ["  why here: no other node has room"]
                + place.score.flatMap { field($0.name, $0.mine) }
        }
        var table = Table([.init("why here"), .init(place.node), .init(other), .init("")])
        for line in place.score {
            table.add([line.name, line.mine, line.other ?? "", line.decides ? "← decides" : ""])
        }
        return table.lines(width: width - 2).map { "  " + $0 }
            + (place.score.contains(where: \.decides)
                ? [] : ["  they are alike: the first by name is taken"])
    }

    private func field(_ name: String, _ text: String) -> [String] {
        let margin = max(15, name.count + 4)
        var lines = wrapped(text, indent: margin)
        guard let first = lines.first else { return [] }
        lines[0] =
            "  " + name + String(repeating: " ", count: margin - 2 - name.count)
            + first.dropFirst(margin)
        return lines
    }

    /// At blanks, and after commas of long lists.
    private func wrapped(_ text: String, indent: Int) -> [String] {
        let margin = String(repeating: " ", count: indent)
        var lines: [String] = []
        var line = ""
        for word in text.split(separator: " ").flatMap(pieces) {
            let gap = line.isEmpty || word.isContinuation ? "" : " "
            if !line.isEmpty, indent + line.count + gap.count + word.text.count > width {
                lines.append(margin + line)
                line = word.text
            } else {
                line += gap + word.text
            }
        }
        return lines + (line.isEmpty ? [] : [margin + line])
    }

    private func pieces(_ word: Substring) -> [(text: String, isContinuation: Bool)] {
        guard word.count > width / 2 else { return [(String(word), false)] }
        let parts = word.split(separator: ",", omittingEmptySubsequences: false)
        return parts.enumerated().map { place, part in
            (part + (place < parts.count - 1 ? "," : ""), place > 0)
        }
    }
}

public import JobModel

/// A running job on a few lines: bar, states, rate, time left, the best so far, last failure.
public struct ProgressBlock: Sendable {
    public var job: JobSummary
    /// Seconds since this client began to watch, and tasks that had ended then.
    public var elapsed: Double
    public var finishedAtStart: Int

    public init(job: JobSummary, elapsed: Double, finishedAtStart: Int) {
        self.job = job
        self.elapsed = elapsed
        self.finishedAtStart = finishedAtStart
    }

    /// Tasks per second since the start of watching; nil before any has ended.
    public var rate: Double? {
        let done = job.counts.finished - finishedAtStart
        return done > 0 && elapsed > 0 ? Double(done) / elapsed : nil
    }

    /// No line is longer than `width`, so that each takes one row of the terminal.
    public func lines(width: Int, colour: Bool) -> [String] {
        let counts = job.counts
        var states: [(text: String, style: Style?)] = []
        func state(_ count: Int, _ name: String, _ style: Style) {
            if count > 0 { states.append(("\(count) \(name)", style)) }
        }
        state(counts.running, "running", .strong)
        state(counts.queued, "queued", .faint)
        state(counts.succeeded, "succeeded", .good)
        state(counts.stopped, "stopped", .good)
        state(counts.failed, "failed", .bad)
        state(counts.lost, "lost", .bad)
        state(counts.cancelled, "cancelled", .warning)
        if let rate {
            let pace =
                rate >= 1
                ? "\(Words.number((rate * 10).rounded() / 10))/s"
                : "\(Words.duration(1 / rate)) each"
            states.append((pace, nil))
            if counts.queued + counts.running > 0 {
                let left = Words.duration(Double(counts.queued + counts.running) / rate)
                states.append(("about \(left) left", nil))
            }
        }
        var lines = [cut(bar(width: width), width), row(of: states, width, colour)]
        if let best = job.best {
            lines.append("  " + Style.good(cut(BestText.text(best), width - 2), colour))
        }
        if let reason = job.reason {
            lines.append("  " + Style.warning(cut(reason, width - 2), colour))
        }
        if let failure = job.lastFailure {
            lines.append("  " + Style.bad(cut("last failure: " + failure, width - 2), colour))
        }
        return lines
    }

    /// Cut before it is coloured: what colours is no column.
    private func row(of parts: [(text: String, style: Style?)], _ width: Int, _ colour: Bool)
        -> String
    {
        var line = ""
        var left = width
        for (index, part) in parts.enumerated() {
            let gap = index == 0 ? "  " : " · "
            let text = cut(part.text, left - gap.count)
            if text.isEmpty { break }
            line += gap + (part.style.map { $0(text, colour) } ?? text)
            left -= gap.count + text.count
        }
        return line
    }

    /// One line for a log or a pipe.
    public var plainLine: String {
        let counts = job.counts
        var parts = ["\(counts.finished)/\(counts.total)"]
        for (count, name) in [
            (counts.running, "running"), (counts.stopped, "stopped"), (counts.failed, "failed"),
            (counts.lost, "lost"),
            (counts.cancelled, "cancelled"),
        ] where count > 0 {
            parts.append("\(count) \(name)")
        }
        if let rate, counts.queued + counts.running > 0 {
            parts.append(
                "about \(Words.duration(Double(counts.queued + counts.running) / rate)) left")
        }
        if let best = job.best { parts.append(BestText.text(best)) }
        if let reason = job.reason { parts.append(reason) }
        return "\(job.name) (\(job.id)): " + parts.joined(separator: ", ")
    }

    private func bar(width: Int) -> String {
        let counts = job.counts
        let figures = "  \(counts.finished)/\(counts.total)  \(Words.duration(elapsed))"
        let title = cut("\(job.name) (\(job.id))", width - figures.count - 12) + "  "
        let room = max(10, min(40, width - title.count - figures.count))
        let share = counts.total > 0 ? Double(counts.finished) / Double(counts.total) : 0
        return title + Bar.text(share, width: room) + figures
    }

    private func cut(_ text: String, _ width: Int) -> String {
        let line = Table.visible(text)
        return line.count > width
            ? String((line.prefix(max(0, width - 1)) + "…").prefix(max(0, width)))
            : line
    }
}

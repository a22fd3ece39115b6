public import JobModel

/// A running job on a few lines: bar, states, rate, time left, last failure.
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

    public func lines(width: Int, colour: Bool) -> [String] {
        let counts = job.counts
        var lines = [bar(width: width)]
        var states: [String] = []
        func state(_ count: Int, _ name: String, _ style: Style) {
            if count > 0 { states.append(style("\(count) \(name)", colour)) }
        }
        state(counts.running, "running", .strong)
        state(counts.queued, "queued", .faint)
        state(counts.succeeded, "succeeded", .good)
        state(counts.failed, "failed", .bad)
        state(counts.lost, "lost", .bad)
        state(counts.cancelled, "cancelled", .warning)
        if let rate {
            states.append(
                rate >= 1
                    ? "\(Words.number((rate * 10).rounded() / 10))/s"
                    : "\(Words.duration(1 / rate)) each")
            if counts.queued + counts.running > 0 {
                states.append(
                    "about \(Words.duration(Double(counts.queued + counts.running) / rate)) left")
            }
        }
        lines.append("  " + states.joined(separator: " · "))
        if let reason = job.reason {
            lines.append("  " + Style.warning(cut(reason, width - 2), colour))
        }
        if let failure = job.lastFailure {
            lines.append("  " + Style.bad(cut("last failure: " + failure, width - 2), colour))
        }
        return lines
    }

    /// One line for a log or a pipe.
    public var plainLine: String {
        let counts = job.counts
        var parts = ["\(counts.finished)/\(counts.total)"]
        for (count, name) in [
            (counts.running, "running"), (counts.failed, "failed"), (counts.lost, "lost"),
            (counts.cancelled, "cancelled"),
        ] where count > 0 {
            parts.append("\(count) \(name)")
        }
        if let rate, counts.queued + counts.running > 0 {
            parts.append(
                "about \(Words.duration(Double(counts.queued + counts.running) / rate)) left")
        }
        if let reason = job.reason { parts.append(reason) }
        return "\(job.name) (\(job.id)): " + parts.joined(separator: ", ")
    }

    private func bar(width: Int) -> String {
        let counts = job.counts
        let title = "\(job.name) (\(job.id))  "
        let figures = "  \(counts.finished)/\(counts.total)  \(Words.duration(elapsed))"
        let room = max(10, min(40, width - title.count - figures.count))
        let share = counts.total > 0 ? Double(counts.finished) / Double(counts.total) : 0
        let full = Int(share * Double(room))
        return title + String(repeating: "█", count: full)
            + String(repeating: "░", count: room - full) + figures
    }

    private func cut(_ text: String, _ width: Int) -> String {
        let line = Table.visible(text)
        return line.count > width ? String(line.prefix(max(0, width - 1))) + "…" : line
    }
}

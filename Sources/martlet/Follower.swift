import Glibc
import JobModel
import JobServer
import LinuxSystem
import ServerAPI
import Synchronization
import TerminalUI

/// Signals that have arrived, for whoever looks.
enum Interrupts {
    static let interrupt = Atomic<Int>(0)
    static let terminate = Atomic<Int>(0)

    static func catchThem() {
        on(SIGINT) { _ in Interrupts.interrupt.add(1, ordering: .relaxed) }
        on(SIGTERM) { _ in Interrupts.terminate.add(1, ordering: .relaxed) }
    }

    /// Without SA_RESTART: a signal ends the read that waits for an answer.
    private static func on(_ signal: Int32, _ handler: @escaping @convention(c) (Int32) -> Void) {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = handler
        sigaction(signal, &action, nil)
    }
}

/// Watches a job to its end: a block that is redrawn on a terminal, now and then a line elsewhere.
final class Follower {
    private let connection: Connection
    private let job: JobID
    private let isQuiet: Bool
    private let start = Clock.monotonic()
    private var finishedAtStart: Int?
    private var drawn = 0
    private var lastLine = ""
    private var lastLineAt: Int64 = 0
    private var notesTold = 0

    init(_ connection: Connection, _ job: JobID, isQuiet: Bool) {
        self.connection = connection
        self.job = job
        self.isQuiet = isQuiet
    }

    /// Returns the job once it has ended, or is held by what will not go away by itself.
    func follow() throws -> JobSummary {
        Interrupts.catchThem()
        var version: Int64 = 0
        while true {
            let change = try connection.client.change(job, after: version, milliseconds: 500)
            version = change.version
            draw(change.job)
            if change.job.isSettled {
                finish()
                return change.job
            }
            try answerSignals(change.job)
        }
    }

    // MARK: Drawing

    private func draw(_ job: JobSummary) {
        if finishedAtStart == nil { finishedAtStart = job.counts.finished }
        guard !isQuiet else { return }
        tellNotes(job)
        let elapsed = Double(Clock.monotonic() - start) / 1000
        let block = ProgressBlock(job: job, elapsed: elapsed, finishedAtStart: finishedAtStart ?? 0)
        if Terminal.isOutputTerminal {
            erase()
            let lines = block.lines(width: Terminal.width, colour: Terminal.hasColour)
            drawn = lines.count
            Terminal.write(lines.joined(separator: "\n") + "\n")
        } else {
            plain(block)
        }
    }

    /// Each once, above what is redrawn.
    private func tellNotes(_ job: JobSummary) {
        let notes = (job.notes ?? []).dropFirst(notesTold)
        guard !notes.isEmpty else { return }
        notesTold += notes.count
        if Terminal.isOutputTerminal { erase() }
        for note in notes { Terminal.writeError("note: \(note)\n") }
    }

    /// A line for the first and the last state, and every ten seconds between where something changed.
    private func plain(_ block: ProgressBlock) {
        let now = Clock.monotonic()
        let line = block.plainLine
        guard line != lastLine,
            lastLineAt == 0 || now - lastLineAt >= 10_000 || block.job.state.isFinal
        else { return }
        lastLine = line
        lastLineAt = now
        Terminal.writeError(line + "\n")
    }

    private func erase() {
        // From the first column: the terminal may have shown a ^C.
        if drawn > 0 { Terminal.write("\r\u{1b}[\(drawn)A\u{1b}[J") }
        drawn = 0
    }

    private func finish() {
        if Terminal.isOutputTerminal { Terminal.write("\n") }
    }

    // MARK: Ctrl-C

    private func answerSignals(_ summary: JobSummary) throws {
        if Interrupts.terminate.load(ordering: .relaxed) > 0 { try detach(143) }
        guard Interrupts.interrupt.exchange(0, ordering: .relaxed) > 0 else { return }
        guard Terminal.isInputTerminal, Terminal.isErrorTerminal else { return try cancel() }
        Terminal.writeError("\nThe job runs on. [d]etach, [c]ancel it, or Enter to keep watching? ")
        drawn = 0
        var answer = [UInt8](repeating: 0, count: 64)
        let count = read(0, &answer, answer.count)
        if Interrupts.terminate.load(ordering: .relaxed) > 0 { try detach(143) }
        // A second Ctrl-C at the question means: let me go.
        if count <= 0 || Interrupts.interrupt.exchange(0, ordering: .relaxed) > 0 {
            try detach(Status.interrupted.rawValue)
        }
        switch answer[0] {
        case UInt8(ascii: "c"), UInt8(ascii: "C"): try cancel()
        case UInt8(ascii: "d"), UInt8(ascii: "D"): try detach(Status.interrupted.rawValue)
        default: break
        }
    }

    private func detach(_ status: Int32) throws {
        Terminal.writeError(
            "\ndetached; `martlet wait \(job)` waits, `martlet logs \(job) -f` follows, `martlet cancel \(job)` ends it\n"
        )
        exit(status)
    }

    private func cancel() throws {
        _ = try connection.client.cancel(SelectionRequest([TaskSelection(job: job)]))
        Terminal.writeError("\ncancelled job \(job)\n")
        exit(Status.interrupted.rawValue)
    }
}

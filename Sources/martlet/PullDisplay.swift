internal import Foundation
internal import ImageStore
internal import JobModel
internal import LinuxSystem
internal import Registry
internal import TerminalUI
internal import Threads

/// A pull as it goes: a block that is redrawn on a terminal, a line now and then elsewhere, or JSON lines.
final class PullDisplay: Sendable {
    enum Form: Sendable { case people, json, none }
    private struct State: Sendable {
        /// Rows on the terminal that are ours.
        var drawn = 0
        /// Milliseconds, by the monotonic clock; nil before.
        var begunAt: Int64?
        var toldAt: Int64?
        /// Bytes that were here when it began.
        var bytesBefore: Int64 = 0
        var notes: [String] = []
    }
    private let form: Form
    private let state = Monitor(State())

    init(_ form: Form) { self.form = form }

    func show(_ progress: PullProgress) {
        state.quietly { state in
            if state.begunAt == nil, progress.phase == .pulling {
                state.begunAt = Clock.monotonic()
                state.bytesBefore = progress.bytesDone
            }
            state.notes += progress.notes
            switch form {
            case .none: break
            case .json: tell(progress, &state, every: 500) { Self.json(PullLine($0)) }
            case .people where Terminal.isErrorTerminal: draw(progress, &state)
            case .people:
                tell(progress, &state, every: 10_000) { $0.description + "\n" }
            }
        }
    }

    /// Leaves the terminal as it was before, and says what is to be known of the image.
    func clear() {
        state.quietly { state in
            erase(&state)
            guard form == .people else { return }
            for note in state.notes { Terminal.writeError("note: \(note)\n") }
        }
    }

    /// The last line of JSON.
    func end(_ image: StoredImage) {
        let end = PullEnd(
            phase: .done, reference: image.reference, digest: image.digest,
            layers: image.layers.count, notes: state.quietly { $0.notes })
        Terminal.write(Self.json(end))
    }

    private static func json(_ value: some Encodable) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Values of ours have nothing that JSON could not say.
        return (try? encoder.encode(value)).map { String(decoding: $0, as: UTF8.self) + "\n" } ?? ""
    }

    private func tell(
        _ progress: PullProgress, _ state: inout State, every milliseconds: Int64,
        _ text: (PullProgress) -> String
    ) {
        let now = Clock.monotonic()
        guard progress.phase == .pulling,
            state.toldAt.map({ now - $0 >= milliseconds }) ?? (form == .json)
        else {
            // People are told first when it has taken a while.
            if state.toldAt == nil { state.toldAt = now }
            return
        }
        state.toldAt = now
        if form == .json {
            Terminal.write(text(progress))
        } else {
            Terminal.writeError(text(progress))
        }
    }

    // MARK: On a terminal

    private func draw(_ progress: PullProgress, _ state: inout State) {
        erase(&state)
        guard progress.phase != .done else { return }
        let width = Terminal.width
        var lines = [
            progress.phase == .pulling ? "pulling \(progress.reference)" : progress.description
        ]
        if progress.phase == .pulling {
            lines += layers(progress, width, rows: Terminal.height - 4)
            lines.append(total(progress, state, width))
        }
        state.drawn = lines.count
        let text = lines.map { String($0.prefix(width - 1)) }
        Terminal.writeError(text.joined(separator: "\n") + "\n")
    }

    /// Those that are not done, as many as there is room for.
    private func layers(_ progress: PullProgress, _ width: Int, rows: Int) -> [String] {
        let open = progress.layers.filter { $0.phase != .done }
        // One that has begun says more than one that waits.
        let shown = open.filter { $0.phase != .waiting } + open.filter { $0.phase == .waiting }
        return shown.prefix(max(1, rows)).map { layer in
            let name = String(layer.digest.split(separator: ":").last?.prefix(12) ?? "")
            let figures =
                switch layer.phase {
                case .waiting: "waits, \(DecimalSize.text(layer.bytesTotal))"
                case .unpacking: "is here, unpacking"
                case .pulling, .done: Self.amount(layer.bytesDone, layer.bytesTotal)
                }
            return "  \(name)  " + Self.bar(layer.bytesDone, layer.bytesTotal, width) + "  "
                + figures
        }
    }

    private func total(_ progress: PullProgress, _ state: State, _ width: Int) -> String {
        var line =
            "  \(progress.layersDone)/\(progress.layers.count) layers".padding(
                toLength: 16, withPad: " ", startingAt: 0)
            + Self.bar(progress.bytesDone, progress.bytesTotal, width) + "  "
            + Self.amount(progress.bytesDone, progress.bytesTotal)
        let seconds = state.begunAt.map { Double(Clock.monotonic() - $0) / 1000 } ?? 0
        let fetched = progress.bytesDone - state.bytesBefore
        guard seconds > 0.5, fetched > 0 else { return line }
        let rate = Double(fetched) / seconds
        line += ", \(DecimalSize.text(Int64(rate)))/s"
        let left = Double(progress.bytesTotal - progress.bytesDone) / rate
        if left >= 1 { line += ", about \(Words.duration(left)) left" }
        return line
    }

    private static func bar(_ done: Int64, _ total: Int64, _ width: Int) -> String {
        Bar.text(total > 0 ? Double(done) / Double(total) : 1, width: max(8, min(30, width - 60)))
    }

    private static func amount(_ done: Int64, _ total: Int64) -> String {
        "\(DecimalSize.text(done)) of \(DecimalSize.text(total))"
    }

    private func erase(_ state: inout State) {
        guard state.drawn > 0 else { return }
        Terminal.writeError("\r\u{1b}[\(state.drawn)A\u{1b}[J")
        state.drawn = 0
    }
}

/// How far a pull is, for scripts.
private struct PullLine: Encodable {
    var phase: PullProgress.Phase
    var reference: String
    var layersDone: Int
    var layersTotal: Int
    var bytesDone: Int64
    var bytesTotal: Int64
    var layers: [LayerProgress]

    init(_ progress: PullProgress) {
        phase = progress.phase
        reference = progress.reference
        layersDone = progress.layersDone
        layersTotal = progress.layers.count
        bytesDone = progress.bytesDone
        bytesTotal = progress.bytesTotal
        layers = progress.layers
    }
}

/// How a pull ended, for scripts.
private struct PullEnd: Encodable {
    let schema = JobModel.schemaVersion
    var phase: PullProgress.Phase
    var reference: String
    var digest: String?
    var layers: Int
    var notes: [String]
}

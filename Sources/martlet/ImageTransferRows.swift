internal import Glibc
internal import ImageStore
internal import LinuxSystem
internal import Synchronization

/// A line for each blob on a terminal: those on their way are written over, those that are done stay. Nothing where standard
/// error is no terminal.
final class TransferRows: Sendable {
    private struct State {
        var moving: [TransferProgress] = []
        /// Lines that stand below those that are done.
        var drawn = 0
    }
    private let state = Mutex(State())
    private let isShown: Bool

    init(isShown: Bool) { self.isShown = isShown && isatty(2) == 1 }

    func show(_ progress: TransferProgress) {
        guard isShown else { return }
        state.withLock { state in
            let place = state.moving.firstIndex { $0.digest == progress.digest }
            if let place { state.moving.remove(at: place) }
            switch progress.state {
            case .waiting: break
            case .fetching, .sending:
                state.moving.insert(progress, at: place ?? state.moving.count)
                draw(&state, nil)
            case .present, .mounted, .sent: draw(&state, Self.line(progress))
            }
        }
    }

    /// Takes away what is not done.
    func end() {
        guard isShown else { return }
        state.withLock { state in
            state.moving = []
            draw(&state, nil)
        }
    }

    private func draw(_ state: inout State, _ done: String?) {
        // To the first of the lines, and erase what follows (ECMA-48 CUU, ED).
        var text = state.drawn > 0 ? "\u{1b}[\(state.drawn)A\r\u{1b}[J" : "\r"
        if let done { text += done + "\n" }
        for progress in state.moving { text += Self.line(progress) + "\n" }
        state.drawn = state.moving.count
        // A line of progress that is lost harms nobody.
        try? Files.writeAll(2, text.utf8, "standard error")
    }

    private static func line(_ progress: TransferProgress) -> String {
        let name = progress.digest.dropFirst("sha256:".count).prefix(12)
        let size = ImageDoor.size(progress.bytesTotal)
        switch progress.state {
        case .waiting: return "\(name)  waiting"
        case .fetching: return "\(name)  fetching  \(bar(progress)) \(size)"
        case .sending: return "\(name)  sending   \(bar(progress)) \(size)"
        case .present: return "\(name)  there already, \(size)"
        case .mounted: return "\(name)  mounted from another repository, \(size)"
        case .sent: return "\(name)  sent, \(size)" + (progress.isDocument ? " (manifest)" : "")
        }
    }

    private static func bar(_ progress: TransferProgress) -> String {
        let share = Double(progress.bytesDone) / Double(max(1, progress.bytesTotal))
        let full = Int(min(1, share) * 20)
        let percent = String(Int(min(1, share) * 100))
        return String(repeating: "█", count: full) + String(repeating: "░", count: 20 - full)
            + String(repeating: " ", count: 4 - percent.count) + percent + " %"
    }
}

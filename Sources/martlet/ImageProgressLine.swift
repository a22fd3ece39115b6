internal import Glibc
internal import ImageStore
internal import LinuxSystem

/// One line on a terminal that is written over; nothing where standard error is none.
struct ProgressLine: Sendable {
    let isShown: Bool

    init(isShown: Bool) { self.isShown = isShown && isatty(2) == 1 }

    func show(_ progress: PushProgress) {
        write(
            "pushing \(progress.reference): \(progress.blob)/\(progress.blobs), \(ImageDoor.size(progress.bytes))"
        )
    }

    func clear() { write("") }

    private func write(_ text: String) {
        guard isShown else { return }
        // Carriage return, text, erase to the end of the line (ECMA-48 EL). A progress line that is lost harms nobody.
        try? Files.writeAll(2, "\r\(text)\u{1b}[K".utf8, "standard error")
    }
}

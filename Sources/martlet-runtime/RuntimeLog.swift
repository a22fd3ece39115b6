import Glibc
import LinuxSystem
import OCIRuntimeSpec

/// Errors go to stderr and, where a caller wants to read them, to a log of lines: text, or JSON objects of level, msg and time
/// as runc writes and containerd reads them.
struct RuntimeLog {
    private var file: Int32?
    private var isJSON = false
    private var isDebugging = false

    init() {}

    init(_ globals: Globals) throws(SystemError) {
        isJSON = globals.isLogJSON
        isDebugging = globals.isDebugging
        // Stays open until the process ends.
        if let path = globals.logFile {
            file = try OwnedFD.open(path, O_WRONLY | O_CREAT | O_APPEND, mode: 0o644).release()
        }
    }

    mutating func error(_ text: String) {
        write("error", text)
        note("martlet-runtime: \(text)")
    }

    mutating func warning(_ text: String) {
        write("warning", text)
        if file == nil { note("martlet-runtime: \(text)") }
    }

    mutating func debug(_ text: String) {
        if isDebugging { write("debug", text) }
    }

    private func write(_ level: String, _ text: String) {
        guard let file else { return }
        let time = Self.timestamp(Clock.now())
        let line =
            isJSON
            ? LogLine(level: level, message: text, time: time).json()
            : Array("\(time) \(level): \(text)".utf8)
        // A log that cannot be written must not stop a container.
        _ = try? Files.writeAll(file, line + [0x0a], "log")
    }

    /// RFC 3339, UTC; from milliseconds since 1970.
    static func timestamp(_ milliseconds: Int64) -> String {
        var seconds = time_t(milliseconds / 1000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let fraction = String(1000 + milliseconds % 1000).dropFirst()
        return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
            + "T\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)).\(fraction)Z"
    }
}

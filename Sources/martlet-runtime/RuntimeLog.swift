import Glibc
import LinuxSystem
import OCIRuntimeSpec

/// Errors go to stderr and, where a caller wants to read them, to a log of lines: text, or JSON objects of level, msg and time
/// as runc writes and containerd reads them.
///
/// The file is opened for each line: a descriptor that stayed open would lie among those that `--preserve-fds` counts.
struct RuntimeLog {
    /// Absolute: `create` goes to the bundle.
    private var path: String?
    private var isJSON = false
    private var isDebugging = false

    init() {}

    init(_ globals: Globals) throws(SystemError) {
        isJSON = globals.isLogJSON
        isDebugging = globals.isDebugging
        path = try globals.logFile.map(Create.absolute)
    }

    mutating func error(_ text: String) {
        write("error", text)
        note("martlet-runtime: \(text)")
    }

    mutating func warning(_ text: String) {
        if !write("warning", text) { note("martlet-runtime: \(text)") }
    }

    mutating func debug(_ text: String) {
        if isDebugging { write("debug", text) }
    }

    /// False where there is no log, or none that can be written: that must not stop a container.
    @discardableResult
    private func write(_ level: String, _ text: String) -> Bool {
        guard let path else { return false }
        let time = Self.timestamp(Clock.now())
        let line =
            isJSON
            ? LogLine(level: level, message: text, time: time).json()
            : Array("\(time) \(level): \(text)".utf8)
        do throws(SystemError) {
            let file = try OwnedFD.open(path, O_WRONLY | O_CREAT | O_APPEND, mode: 0o644)
            try Files.writeAll(file.raw, line + [0x0a], path)
            return true
        } catch { return false }
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

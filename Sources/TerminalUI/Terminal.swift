internal import CLinux
internal import Glibc
internal import LinuxSystem
internal import Synchronization

/// The terminal behind standard output, if there is one.
public enum Terminal {
    public static var isOutputTerminal: Bool { isatty(1) == 1 }
    public static var isErrorTerminal: Bool { isatty(2) == 1 }
    public static var isInputTerminal: Bool { isatty(0) == 1 }

    /// Columns; 80 where nobody says.
    public static var width: Int { size.flatMap { $0.ws_col > 0 ? Int($0.ws_col) : nil } ?? 80 }

    /// Rows; 24 where nobody says.
    public static var height: Int { size.flatMap { $0.ws_row > 0 ? Int($0.ws_row) : nil } ?? 24 }

    private static var size: winsize? {
        var size = winsize()
        let isKnown =
            cl_ioctl(1, UInt(TIOCGWINSZ), &size) == 0 || cl_ioctl(2, UInt(TIOCGWINSZ), &size) == 0
        return isKnown ? size : nil
    }

    /// Colours only on a terminal, and not where NO_COLOR (no-color.org) or a dumb terminal forbids them.
    public static let hasColour: Bool = {
        let environment = ProcessEnvironment.all()
        return isOutputTerminal && environment["NO_COLOR", default: ""].isEmpty
            && environment["TERM"] != "dumb"
    }()

    /// For commands that do more than print: they go on to their own exit status without a reader.
    public static func goOnWithoutReader() { endsWithReader.store(false, ordering: .relaxed) }
    private static let endsWithReader = Atomic(true)

    /// Writes to standard output. A reader that has gone ends the process, with the status that SIGPIPE would give; what else
    /// keeps a text from its place, such as a full disk, is told and ends it with status 3.
    public static func write(_ text: String) { emit(1, Array(text.utf8)) }
    public static func write(_ bytes: [UInt8]) { emit(1, bytes) }
    public static func writeError(_ text: String) { emit(2, Array(text.utf8)) }
    public static func writeError(_ bytes: [UInt8]) { emit(2, bytes) }

    private static func emit(_ fd: Int32, _ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(fd, $0.baseAddress, $0.count) }
            guard count < 0 else {
                rest = rest.dropFirst(count)
                continue
            }
            let error = SystemError.last("write", "standard output")
            switch error.errno {
            case EINTR: continue
            case EAGAIN:
                // Somebody who shares the terminal has made it non-blocking.
                var wait = pollfd(fd: fd, events: Int16(POLLOUT), revents: 0)
                poll(&wait, 1, -1)
            case EPIPE:
                if endsWithReader.load(ordering: .relaxed) { _exit(128 + SIGPIPE) }
                return
            default:
                // An error that standard error does not take can be told nowhere.
                guard fd == 1 else { return }
                note("martlet: \(error)")
                _exit(3)
            }
        }
    }
}

/// ANSI colours by meaning, ECMA-48.
public enum Style: String, Sendable {
    case good = "32"
    case bad = "31"
    case warning = "33"
    case faint = "2"
    case strong = "1"

    public func callAsFunction(_ text: String, _ isColoured: Bool = Terminal.hasColour) -> String {
        isColoured ? "\u{1b}[\(rawValue)m\(text)\u{1b}[0m" : text
    }
}

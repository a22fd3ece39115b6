internal import Glibc
public import LinuxSystem

/// Asks a person for what nobody else is to see.
public enum SecretPrompt {
    /// The line that is typed, which is not shown; nil where it is taken back by Ctrl-C or Ctrl-D. Throws where standard input is
    /// no terminal.
    public static func ask(_ question: String) throws(SystemError) -> String? {
        guard Terminal.isInputTerminal else {
            throw SystemError(
                "ask", "for a password", errno: ENOTTY, hint: "give it by --password-stdin")
        }
        try RawTerminal.enter()
        defer {
            RawTerminal.leave()
            Terminal.writeError("\n")
        }
        Terminal.writeError(question)
        var line = TypedLine()
        var byte: UInt8 = 0
        while true {
            let count = read(0, &byte, 1)
            if count < 0, errno == EINTR { continue }
            try checkErrno(count, "read", "standard input")
            guard count > 0 else { return nil }
            switch line.take(byte) {
            case .more: continue
            case .done(let text): return text
            case .takenBack: return nil
            }
        }
    }
}

/// A line as a terminal would collect it (termios(3), canonical mode).
struct TypedLine {
    enum Step: Equatable {
        case more
        case done(String)
        case takenBack
    }
    private var bytes: [UInt8] = []

    mutating func take(_ byte: UInt8) -> Step {
        switch byte {
        case 3: return .takenBack
        case 4: return bytes.isEmpty ? .takenBack : .more
        case 10, 13: return .done(String(decoding: bytes, as: UTF8.self))
        // All of a character.
        case 8, 127: while let last = bytes.popLast(), last & 0xc0 == 0x80 {}
        case 21: bytes = []
        default: bytes.append(byte)
        }
        return .more
    }
}

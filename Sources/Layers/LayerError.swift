internal import LinuxSystem

/// What is wrong with a layer, or with unpacking it; becomes an `ImageError` once it is known which layer it was.
package struct LayerError: Error, Sendable {
    package var kind: ImageError.Kind
    /// The entry's name as it stands in the archive; empty where it is about the whole.
    var entry: [UInt8]
    package var reason: String
    package var errno: Int32?

    package init(
        _ kind: ImageError.Kind, _ reason: String, entry: [UInt8] = [], errno: Int32? = nil
    ) {
        self.kind = kind
        self.entry = entry
        self.reason = reason
        self.errno = errno
    }

    /// A system call that failed while the entry was written.
    package init(system errno: Int32, _ call: String, entry: [UInt8] = []) {
        let isFull = SystemError(call, errno: errno).isDiskFull
        self.init(
            isFull ? .diskFull : .system, "\(call): \(SystemError.text(errno))", entry: entry,
            errno: errno)
    }

    /// Whether other bytes might do.
    var isOfTheContent: Bool {
        switch kind {
        case .corrupt, .hostile, .unsupported, .malformed: true
        default: false
        }
    }

    /// With the entry filled in where it is not known yet.
    package func at(_ entry: [UInt8]) -> LayerError {
        var copy = self
        if copy.entry.isEmpty { copy.entry = entry }
        return copy
    }

    package func imageError(layer: String, _ step: String = "unpack") -> ImageError {
        let place = entry.isEmpty ? layer : "\(layer), entry \"\(Self.printable(entry))\""
        let hint = kind == .diskFull ? "free some space, or set MARTLET_HOME to another disk" : nil
        return ImageError(kind, step, place, reason, hint: hint, errno: errno)
    }

    /// Names are bytes: what is no printable ASCII is escaped.
    package static func printable(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for byte in bytes.prefix(300) {
            if (32..<127).contains(byte), byte != UInt8(ascii: "\\") {
                text.append(byte)
            } else {
                text += Array("\\x".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}

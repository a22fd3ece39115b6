internal import Glibc

/// A POSIX extended regular expression, regex(7), as regcomp(3) compiles it. Matches bytes, one line at a time.
///
/// Matching takes time in the square of a line's length at worst, as long as there are no back-references; callers bound lines.
public final class ExtendedExpression {
    /// What regerror(3) says.
    public struct Malformed: Error, Sendable, CustomStringConvertible {
        public let description: String
    }

    private var compiled = regex_t()
    public let groups: Int

    public init(_ pattern: String) throws(Malformed) {
        let code = regcomp(&compiled, pattern, REG_EXTENDED | REG_NEWLINE)
        guard code == 0 else {
            var text = [CChar](repeating: 0, count: 256)
            regerror(code, nil, &text, text.count)
            throw Malformed(
                description: String(
                    decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) },
                    as: UTF8.self))
        }
        groups = compiled.re_nsub
    }

    deinit { regfree(&compiled) }

    /// Whether the pattern has `\1` or its like, an extension of glibc's for which matching takes exponential time.
    public static func hasBackReference(_ pattern: String) -> Bool {
        var isEscaped = false
        for character in pattern {
            if isEscaped, ("1"..."9").contains(character) { return true }
            isEscaped = character == "\\" && !isEscaped
        }
        return false
    }

    /// What the first group matched, for each match in the line where it took part, in their order. NUL bytes are bytes like others.
    /// - Parameter deadline: of `Clock.monotonic()`; matches that would be looked for later are left out.
    public func firstGroups(in line: ArraySlice<UInt8>, until deadline: Int64 = .max)
        -> [Range<Int>]
    {
        var found: [Range<Int>] = []
        line.withUnsafeBytes { bytes in
            guard let base = bytes.bindMemory(to: CChar.self).baseAddress else { return }
            var start = 0
            while start <= bytes.count {
                var matches = (regmatch_t(), regmatch_t())
                matches.0.rm_so = regoff_t(start)
                matches.0.rm_eo = regoff_t(bytes.count)
                let code = withUnsafeMutableBytes(of: &matches) {
                    regexec(
                        &compiled, base, 2, $0.bindMemory(to: regmatch_t.self).baseAddress,
                        REG_STARTEND)
                }
                guard code == 0 else { return }
                if matches.1.rm_so >= 0 {
                    found.append(
                        line.startIndex + Int(matches.1.rm_so)..<line.startIndex
                            + Int(matches.1.rm_eo))
                }
                // An empty match is not found a second time.
                start = max(Int(matches.0.rm_eo), start + 1)
                // Each match may take the square of the line's length, and there may be as many as it has bytes.
                if Clock.monotonic() >= deadline { return }
            }
        }
        return found
    }
}

internal import Glibc
internal import JobModel
internal import LinuxSystem

/// The end of what a task wrote, and what is found in it.
enum OutputTail {
    /// Bytes of each output that are looked at: an error that ended a task stands at the end.
    static let limit = 1 << 18

    /// Which `log` causes of the policy are found in either output, as indexes into the policy.
    static func matchedCauses(_ policy: RetryPolicy, _ directories: TaskDirectories) -> [Int] {
        let causes = policy.causes.enumerated().compactMap { place, cause in
            if case .log(let pattern) = cause { (place, pattern) } else { nil }
        }
        guard !causes.isEmpty else { return [] }
        let text = [directories.stdout, directories.stderr].map(read).joined(separator: "\n")
        return causes.filter { matches($0.1, text) }.map(\.0)
    }

    private static func read(_ path: String) -> String {
        guard let file = try? OwnedFD.open(path, O_RDONLY | O_NOFOLLOW) else { return "" }
        let size = lseek(file.raw, 0, SEEK_END)
        lseek(file.raw, max(0, size - limit), SEEK_SET)
        // An unreadable log matches nothing. A process that the task left may still write, hence the cut.
        var bytes = [UInt8](repeating: 0, count: limit)
        var length = 0
        while length < limit {
            let count = bytes.withUnsafeMutableBytes {
                Glibc.read(file.raw, $0.baseAddress.map { $0 + length }, limit - length)
            }
            guard count > 0 else { break }
            length += count
        }
        // A NUL byte would end the text for regexec(3).
        return String(decoding: bytes[..<length].map { $0 == 0 ? 32 : $0 }, as: UTF8.self)
    }

    /// POSIX extended, regex(7); a line at a time. A pattern that does not compile was refused with the spec.
    static func matches(_ pattern: String, _ text: String) -> Bool {
        var expression = regex_t()
        guard regcomp(&expression, pattern, REG_EXTENDED | REG_NOSUB | REG_NEWLINE) == 0 else {
            return false
        }
        defer { regfree(&expression) }
        return regexec(&expression, text, 0, nil, 0) == 0
    }
}

internal import Glibc
internal import JobModel
internal import LinuxSystem

/// Metrics that regular expressions find in what an attempt wrote: the last match counts, in standard output if there is one,
/// else in standard error, where many programs log.
enum LogMetrics {
    /// Bytes of each output, from its end, that are looked at.
    static let limit = 1 << 22
    /// Nearly always enough.
    static let firstLook = 1 << 18
    /// Bytes: matching may take the square of a line's length. What is longer is passed over.
    static let longestLine = 1 << 12
    /// Milliseconds after which a task's output is looked at no longer: others wait meanwhile.
    static let patience: Int64 = 1000

    /// Values may be no numbers.
    static func values(of goals: [MetricGoal], _ directories: TaskDirectories) -> [String: Double] {
        var open = goals.compactMap { goal -> (name: String, expression: ExtendedExpression)? in
            guard case .log(let pattern) = goal.source,
                // One that does not compile was refused with the spec.
                let expression = try? ExtendedExpression(pattern)
            else { return nil }
            return (goal.name, expression)
        }
        var values: [String: Double] = [:]
        let deadline = Clock.monotonic() + patience
        for path in [directories.stdout, directories.stderr] {
            for size in [firstLook, limit] where !open.isEmpty {
                let (bytes, isWhole) = end(of: path, size)
                search(bytes, isWhole: isWhole, until: deadline) { line in
                    open.removeAll { name, expression in
                        guard let match = expression.firstGroups(in: line, until: deadline).last
                        else {
                            return false
                        }
                        values[name] = number(line[match]) ?? .nan
                        return true
                    }
                    return !open.isEmpty
                }
                if isWhole { break }
            }
        }
        return values
    }

    /// Of a number at the end of a sentence the full stop is none of it.
    static func number(_ bytes: ArraySlice<UInt8>) -> Double? {
        let text = String(decoding: bytes, as: UTF8.self)
        let trimmed = text.drop { $0.isWhitespace }
        if let value = Double(trimmed) { return value }
        guard let last = trimmed.lastIndex(where: { !$0.isWhitespace && !",.;:".contains($0) })
        else { return nil }
        return Double(trimmed[...last])
    }

    /// From the last line backwards, as long as they are wanted.
    private static func search(
        _ bytes: [UInt8], isWhole: Bool, until deadline: Int64,
        _ wantsMore: (ArraySlice<UInt8>) -> Bool
    ) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let start = rest.lastIndex(where: OutputLines.isEnd).map { $0 + 1 } ?? 0
            // The first line of what was cut off may be torn.
            guard start > 0 || isWhole else { return }
            let line = rest[start...]
            if !line.isEmpty, line.count <= longestLine {
                guard wantsMore(line), Clock.monotonic() < deadline else { return }
            }
            rest = rest[..<max(0, start - 1)]
        }
    }

    /// One that cannot be read has nothing.
    private static func end(of path: String, _ size: Int) -> (bytes: [UInt8], isWhole: Bool) {
        guard let file = try? OwnedFD.open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK) else {
            return ([], true)
        }
        let start = max(0, lseek(file.raw, 0, SEEK_END) - size)
        lseek(file.raw, start, SEEK_SET)
        // A process that the task left may still write, hence the limit.
        let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            while count < size {
                let more = read(file.raw, buffer.baseAddress.map { $0 + count }, size - count)
                guard more > 0 else { break }
                count += more
            }
        }
        return (bytes, start == 0)
    }
}

internal import Glibc
internal import LinuxSystem

/// The last value of each metric that a task wrote: JSON lines of numbers, later lines over earlier ones.
enum MetricsFile {
    /// What is read at most, from the end: a task that logs a line a step must not cost memory.
    static let limit = 1 << 20
    /// Metrics of one task; more would be data, and belong in a file.
    static let mostNames = 1000
    /// Bytes; what is longer names no metric.
    static let longestName = 200

    /// Empty where there is no such file. The task owns the directory, so links are not followed and odd files not opened.
    static func lastValues(in results: String) -> [String: Double] {
        guard
            let file = try? OwnedFD.open(
                results + "/metrics.jsonl", O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
        else { return [:] }
        var status = stat()
        guard fstat(file.raw, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return [:] }
        let start = max(0, status.st_size - limit)
        lseek(file.raw, start, SEEK_SET)
        // A file that cannot be read has no metrics; the task's outcome does not hang on it.
        guard let bytes = try? Files.read(file.raw, "metrics", limit: limit + 1) else { return [:] }
        // Of a file that was cut at its front, the first line may be torn.
        let lines = bytes.split(separator: UInt8(ascii: "\n"))
        return lastValues(lines.dropFirst(start > 0 ? 1 : 0).reversed())
    }

    /// From the last line backwards; a line that tells of the same names as one before needs no second look, which keeps long
    /// files cheap. Where the last value is not a number, the metric has none: an older one would say that all went well.
    static func lastValues(_ lines: some Sequence<ArraySlice<UInt8>>) -> [String: Double] {
        var values: [String: Double] = [:]
        for line in lines {
            guard values.count < mostNames else { break }
            // A torn last line, or one of another kind, is no metric.
            guard let fields = FlatObject(line)?.fields else { continue }
            // Within a line the later of two fields of one name holds.
            for field in fields.reversed() where values[field.name] == nil {
                guard values.count < mostNames else { break }
                guard field.name.utf8.count <= longestName else { continue }
                values[field.name] = field.value
            }
        }
        return values.filter { $0.value.isFinite }
    }
}

internal import FoundationEssentials
internal import Glibc
internal import LinuxSystem

/// The last value of each metric that a task wrote: JSON lines of numbers, later lines over earlier ones.
enum MetricsFile {
    /// What is read at most, from the end: a task that logs a line a step must not cost memory.
    static let limit = 1 << 20

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
        var values: [String: Double] = [:]
        for (number, line) in bytes.split(separator: UInt8(ascii: "\n")).enumerated() {
            if number == 0, start > 0 { continue }
            // A torn last line, or one of another kind, is no metric.
            guard
                let fields = try? JSONDecoder().decode([String: LooseNumber].self, from: Data(line))
            else { continue }
            for (name, field) in fields { if let value = field.value { values[name] = value } }
        }
        return values
    }

    /// A JSON number, or anything else, which is passed over.
    private struct LooseNumber: Decodable {
        let value: Double?
        init(from decoder: any Decoder) throws {
            value = try? decoder.singleValueContainer().decode(Double.self)
        }
    }
}

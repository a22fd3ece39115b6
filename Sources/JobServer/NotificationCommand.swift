internal import JobModel

/// What a job's `notify` runs.
struct NotificationCommand {
    let command: String

    /// Puts in `{job}`, `{name}`, `{state}` and `{event}`. A name keeps letters, digits and `._-` alone: it must not become shell.
    init(_ run: String, job: JobID, name: String, state: String, event: String) {
        let harmless = String(
            name.map { $0.isASCII && ($0.isLetter || $0.isNumber) || "._-".contains($0) ? $0 : "_" }
        )
        command = Self.replace(
            ["{job}": "\(job)", "{name}": harmless, "{state}": state, "{event}": event], in: run)
    }

    private static func replace(_ values: [String: String], in text: String) -> String {
        var result = ""
        var rest = text[...]
        while let brace = rest.firstIndex(of: "{") {
            result += rest[..<brace]
            rest = rest[brace...]
            guard let (name, value) = values.first(where: { rest.hasPrefix($0.key) }) else {
                result.append("{")
                rest = rest.dropFirst()
                continue
            }
            result += value
            rest = rest.dropFirst(name.count)
        }
        return result + rest
    }
}

internal import JobModel
internal import LinuxSystem

/// What a job's `notify` runs when it has ended.
struct NotificationCommand {
    let command: String

    /// Puts in `{job}`, `{name}` and `{state}`. A name keeps letters, digits and `._-` alone: it must not become shell.
    init(_ notification: Notification, job: JobID, name: String, state: JobState) {
        let harmless = String(
            name.map { $0.isASCII && ($0.isLetter || $0.isNumber) || "._-".contains($0) ? $0 : "_" }
        )
        command = Self.replace(
            ["{job}": "\(job)", "{name}": harmless, "{state}": state.rawValue],
            in: notification.run)
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

    /// Starts it in a session of its own, with its output in `log`; nobody waits for it.
    func run(log: String) throws(SystemError) {
        try Daemon.start(["/bin/sh", "-c", command], log: log)
    }
}

internal import FoundationEssentials
internal import Glibc
internal import JobModel
internal import LinuxSystem
internal import StateStore

/// Programs that notifications are sent with; nil where they are not here.
public enum NotificationTools {
    public static var curl: String? { find("curl", in: path) }
    /// Where it stands by tradition, which is on no user's path.
    public static var sendmail: String? { find("sendmail", in: path + ["/usr/sbin", "/usr/lib"]) }

    private static var path: [String] {
        (ProcessEnvironment.all()["PATH"] ?? "/usr/bin:/bin").split(separator: ":").map(String.init)
    }

    private static func find(_ name: String, in folders: [String]) -> String? {
        folders.map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
    }
}

/// One try to tell somebody: files beside the job, and a shell that sends them, in a session of its own.
struct NotificationMessage: Sendable {
    let notification: StoredNotification
    private let notify: Notification
    private let summary: JobSummary
    private let folder: String
    /// Milliseconds until a way that does not end has failed.
    private static let patience: Int64 = 600_000

    init(
        _ notification: StoredNotification, _ notify: Notification, _ summary: JobSummary,
        folder: String
    ) {
        self.notification = notification
        self.notify = notify
        self.summary = summary
        self.folder = folder
    }

    /// What failed, in a sentence; nil where it has been sent. Blocks until then.
    func send() -> String? {
        let key = notification.key
        let base = "\(folder)/\(key.event)-\(key.round)-\(key.channel)"
        do {
            try Files.makeDirectories(folder, mode: 0o700)
            guard let script = try script(base) else { return nil }
            unlink(base + ".status")
            let text = "(\n\(script)\n)\necho $? > \(Self.quoted(base + ".status"))"
            let pid = try Daemon.start(["/bin/sh", "-c", text], log: folder + "/log")
            guard try Daemon.awaitEnd(of: pid, milliseconds: Self.patience) else {
                return "it has not ended after 10 minutes"
            }
            let status = try Files.text(base + ".status").split(separator: "\n").first ?? ""
            return status == "0" ? nil : "exit code \(status); \(folder)/log has what it said"
        } catch { return "\(error)" }
    }

    /// Nil where the way is no longer in the spec.
    private func script(_ base: String) throws(SystemError) -> String? {
        switch notification.key.channel {
        case "run":
            guard let run = notify.run else { return nil }
            try write(base + ".txt", text)
            let command = NotificationCommand(
                run, job: summary.id, name: summary.name, state: notification.state,
                event: notification.key.event
            ).command
            return "(\n\(command)\n) < \(Self.quoted(base + ".txt"))"
        case "webhook":
            guard let webhook = notify.webhook else { return nil }
            try write(base + ".json", json)
            // Not in argv: a webhook's URL is its password.
            try write(
                base + ".curl",
                "url = \"\(webhook)\"\ndata-binary = \"@\(base).json\"\n"
                    + "header = \"content-type: application/json\"\nmax-time = 60\nfail\nsilent\nshow-error\noutput = /dev/null\n"
            )
            return "curl --config \(Self.quoted(base + ".curl"))"
        default:
            guard let mail = notify.mail else { return nil }
            try write(base + ".mail", "To: \(mail)\nSubject: \(subject)\n\n\(text)")
            let program = NotificationTools.sendmail ?? "sendmail"
            return "\(Self.quoted(program)) -t < \(Self.quoted(base + ".mail"))"
        }
    }

    private func write(_ path: String, _ text: String) throws(SystemError) {
        unlink(path)
        let file = try OwnedFD.open(path, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
        try Files.writeAll(file.raw, text.utf8, path)
    }

    /// A name's line ends would begin another header.
    private var subject: String {
        let name = summary.name.map { $0.isNewline ? "_" : $0 }
        return "martlet: job \(summary.id), \(String(name)): \(what)"
    }

    private var what: String {
        switch notification.key.event {
        case "first_failure": "a first task failed"
        case "failures": "\(summary.counts.failed + summary.counts.lost) tasks failed"
        default: notification.state
        }
    }

    private var text: String {
        let counts = TaskState.allCases.filter { summary.counts[$0] > 0 }
            .map { "\(summary.counts[$0]) \($0.rawValue)" }
        var lines = [
            "job \(summary.id), \(summary.name): \(what)",
            "tasks: " + counts.joined(separator: ", "),
        ]
        if let best = summary.best {
            let point = best.params.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            lines.append(
                "best \(best.metric): \(best.value), task \(best.task)"
                    + (point.isEmpty ? "" : " (\(point.joined(separator: " ")))"))
        }
        if let reason = summary.reason { lines.append(reason) }
        if let failure = summary.lastFailure { lines.append("last failure: \(failure)") }
        lines += ["files: \(summary.directory)", "martlet show \(summary.id)", "martlet report"]
        return lines.joined(separator: "\n") + "\n"
    }

    private struct Document: Encodable {
        let schema = JobModel.schemaVersion
        let event: String
        let text: String
        let job: JobSummary
    }

    private var json: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let document = Document(event: notification.key.event, text: text, job: summary)
        // Texts and numbers can always be encoded.
        return (try? encoder.encode(document)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    private static func quoted(_ path: String) -> String {
        "'"
            + path.split(separator: "'", omittingEmptySubsequences: false).joined(
                separator: "'\\''") + "'"
    }
}

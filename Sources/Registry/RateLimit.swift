/// What Docker Hub says of its limit with each answer: `ratelimit-limit: 100;w=21600`, `ratelimit-remaining: 0;w=21600`.
struct RateLimit: Hashable, Sendable, CustomStringConvertible {
    /// Pulls in a window.
    var limit: Int?
    var remaining: Int
    /// Seconds.
    var window: Int?

    /// Nil where nothing is said.
    init?(_ response: HTTPResponse) {
        guard let remaining = Self.read(response.header("ratelimit-remaining")) else { return nil }
        let limit = Self.read(response.header("ratelimit-limit"))
        self.remaining = remaining.count
        self.limit = limit?.count
        window = remaining.window ?? limit?.window
    }

    /// Seconds until some are left again, at most; nil where that is not the reason.
    var wait: Int? { remaining > 0 ? nil : window }

    var description: String {
        let all = limit.map { " of \($0)" } ?? ""
        let time = window.map { " in \(Self.span($0))" } ?? ""
        return "\(remaining)\(all) pulls\(time) are left"
    }

    private static func read(_ text: String?) -> (count: Int, window: Int?)? {
        guard let parts = text?.split(separator: ";"), let first = parts.first,
            let count = Int(first.filter { $0 != " " })
        else { return nil }
        let window = parts.dropFirst().map { $0.filter { $0 != " " } }.first { $0.hasPrefix("w=") }
        return (count, window.flatMap { Int($0.dropFirst(2)) })
    }

    /// `90 s`, `5 min`, `5 h 33 min`.
    static func span(_ seconds: Int) -> String {
        if seconds < 120 { return "\(seconds) s" }
        let minutes = (seconds - 1) / 60 + 1
        guard minutes >= 60 else { return "\(minutes) min" }
        return "\(minutes / 60) h" + (minutes % 60 == 0 ? "" : " \(minutes % 60) min")
    }
}

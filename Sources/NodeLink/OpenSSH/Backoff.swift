/// How long to wait before a node is tried again: by what stopped the last try, and for how long none has come through.
///
/// Full jitter (AWS Architecture Blog, "Exponential Backoff and Jitter", 2015): after an outage of many nodes their tries do
/// not come together.
struct Backoff: Sendable {
    /// Milliseconds.
    static let (shortest, longest): (Int64, Int64) = (1000, 60_000)
    /// Where the node has tasks of ours.
    static let longestWithTasks: Int64 = 15_000
    /// Where the other side counts our tries against us: PerSourcePenalties blocks a source for up to 600 s (sshd_config(5)).
    static let longestWhereUnwelcome: Int64 = 300_000

    /// A connection that stands as long forgets what was before it. One that breaks sooner is a failure like others.
    static let soundLife: Int64 = 5000

    private var failures = 0
    /// When the last connection ended, or the first try failed.
    private var since: Int64?
    private var connectedAt: Int64?

    mutating func connected(now: Int64) { connectedAt = now }

    /// Of the next connection: brief after a short outage, so that a try which the network has swallowed does not outlast it.
    func connectTimeout(now: Int64) -> Int {
        guard let since else { return 10 }
        return Int(min(10, max(2, (now - since) / 4000)))
    }

    /// Milliseconds to wait. The first try after a connection that stood comes at once.
    /// - Parameter random: up to which inclusive bound a number is to be drawn.
    mutating func pause(
        after kind: LinkProblem.Kind, now: Int64, hasTasks: Bool,
        random: (Int64) -> Int64 = { Int64.random(in: 0...$0) }
    ) -> Int64 {
        if let stood = connectedAt, now - stood >= Self.soundLife { self = Backoff() }
        connectedAt = nil
        let start = since ?? now
        since = start
        failures += 1
        if kind == .lost, failures == 1 { return 0 }
        let doubled = Self.shortest << Int64(min(failures - 1, 20))
        switch kind {
        case .permissionDenied, .hostKeyUnknown, .hostKeyChanged, .badDestination, .sshMissing,
            .notLinux, .otherArchitecture, .noSpace, .noShell, .noisyShell, .agentFails,
            .refusedByAgent:
            // Somebody has to do something first.
            let most = min(Self.longestWhereUnwelcome, max(5000, doubled))
            return most / 2 + random(most / 2)
        case .throttled, .refused:
            let most = min(hasTasks ? Self.longestWithTasks : Self.longest, max(2000, doubled))
            return most / 2 + random(most / 2)
        case .unknownHost, .unreachable, .timedOut, .lost, .other:
            // A thirtieth of the outage: a second after half a minute, and as rare as anything after half an hour.
            let most = max(Self.shortest, (now - start) / 30)
            return random(min(most, hasTasks ? Self.longestWithTasks : Self.longest))
        }
    }
}

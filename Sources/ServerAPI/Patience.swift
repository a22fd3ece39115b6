internal import Glibc
internal import LinuxSystem

/// How long somebody asks on while one server after the other goes away under a question: a few times at least, and for as long
/// as a server may take to be started (a question may wait long for its answer, and many servers may be killed meanwhile).
public struct Patience: Sendable {
    private static let fewest = 8
    private let milliseconds: Int64
    private var failures = 0
    private var since: Int64 = 0

    public init(milliseconds: Int64 = 15_000) { self.milliseconds = milliseconds }

    /// Waits before the next try: not at all before the first, and longer each time. False where it is enough.
    public mutating func bearsOneMore() -> Bool {
        if failures == 0 { since = Clock.monotonic() }
        failures += 1
        guard failures < Self.fewest || Clock.monotonic() - since < milliseconds else {
            return false
        }
        if failures > 1 { usleep(10_000 << UInt32(min(failures, 6))) }
        return true
    }
}

internal import Glibc
public import LinuxSystem

/// How many files may be open at once, RLIMIT_NOFILE. The agent takes all that it may have; what it starts gets what the agent
/// was given itself, since programs that use select(2) break beyond 1024.
public struct OpenFileLimit: Sendable {
    private let soft: UInt64
    private let hard: UInt64

    /// Raises this process's limit as far as it goes.
    public init() throws(SystemError) {
        var limit = rlimit()
        try checkErrno(getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit), "getrlimit")
        (soft, hard) = (UInt64(limit.rlim_cur), UInt64(limit.rlim_max))
        try Self.set(hard, hard)
    }

    /// Does something with the limit that this process was given.
    public func asGiven(_ action: () throws(SystemError) -> Void) throws(SystemError) {
        // To lower it, and to raise it as far as before, is always allowed.
        try Self.set(soft, hard)
        defer { try? Self.set(hard, hard) }
        try action()
    }

    private static func set(_ soft: UInt64, _ hard: UInt64) throws(SystemError) {
        var limit = rlimit(rlim_cur: rlim_t(soft), rlim_max: rlim_t(hard))
        try checkErrno(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit), "setrlimit")
    }
}

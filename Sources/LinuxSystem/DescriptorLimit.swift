internal import Glibc

/// How many descriptors this process may hold: RLIMIT_NOFILE, getrlimit(2).
public enum DescriptorLimit {
    public struct Values: Sendable, Hashable {
        public let soft: UInt64
        public let hard: UInt64
    }

    /// Raises the soft limit to the hard one, for a process that does not use select(2). Returns what it was: children that
    /// run others' programs are given it back, since those may use select, or close every descriptor that there could be.
    @discardableResult
    public static func raise() throws(SystemError) -> Values {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        try checkErrno(getrlimit(resource, &limit), "getrlimit")
        let before = Values(soft: UInt64(limit.rlim_cur), hard: UInt64(limit.rlim_max))
        limit.rlim_cur = limit.rlim_max
        if before.soft < before.hard {
            try checkErrno(setrlimit(resource, &limit), "setrlimit", "\(before.hard)")
        }
        return before
    }
}

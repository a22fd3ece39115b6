internal import CLinux
internal import Glibc

/// A file descriptor that is closed when its owner goes. Every one is opened close-on-exec.
public struct OwnedFD: ~Copyable, Sendable {
    public let raw: Int32

    /// Takes ownership of a descriptor that nobody else closes.
    public init(_ raw: Int32) { self.raw = raw }

    /// Takes ownership of a result in CLinux's convention (-errno on failure).
    public init(checking result: Int32, _ step: String, _ subject: @autoclosure () -> String = "")
        throws(SystemError)
    {
        raw = try check(result, step, subject())
    }

    deinit { close(raw) }

    /// Gives the descriptor away: the caller closes it.
    public consuming func release() -> Int32 {
        let raw = raw
        discard self
        return raw
    }

    public func duplicate() throws(SystemError) -> OwnedFD {
        OwnedFD(try check(cl_fcntl(raw, F_DUPFD_CLOEXEC, 3), "fcntl(F_DUPFD_CLOEXEC)"))
    }

    /// Closes every descriptor from `first` on: what a careless parent left open.
    public static func closeAll(from first: UInt32) { _ = cl_close_range(first, UInt32.max, 0) }

    public func setNonBlocking() throws(SystemError) {
        let flags = try check(cl_fcntl(raw, F_GETFL, 0), "fcntl(F_GETFL)")
        try check(cl_fcntl(raw, F_SETFL, flags | O_NONBLOCK), "fcntl(F_SETFL)")
    }
}

extension OwnedFD {
    /// open(2), close-on-exec.
    public static func open(_ path: String, _ flags: Int32, mode: UInt32 = 0o644)
        throws(SystemError) -> OwnedFD
    {
        try openAt(AT_FDCWD, path, flags, mode: mode)
    }

    /// openat(2), close-on-exec.
    public static func openAt(
        _ directory: Int32, _ path: String, _ flags: Int32, mode: UInt32 = 0o644
    ) throws(SystemError) -> OwnedFD {
        while true {
            let fd = Glibc.openat(directory, path, flags | O_CLOEXEC, mode)
            if fd >= 0 { return OwnedFD(fd) }
            guard errno == EINTR else { throw SystemError.last("open", path) }
        }
    }
}

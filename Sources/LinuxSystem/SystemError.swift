internal import Glibc

/// A step that the kernel refused: what was tried, on what, why, and what to do about it.
public struct SystemError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The call or step: `open`, `mount(proc)`.
    public let step: String
    /// Path, name or number that it was tried on; empty where there is none.
    public let subject: String
    /// errno(3).
    public let errno: Int32
    public let hint: String?

    public init(_ step: String, _ subject: String = "", errno: Int32, hint: String? = nil) {
        self.step = step
        self.subject = subject
        self.errno = errno
        self.hint = hint
    }

    /// The call that has just failed, by the thread's errno.
    public static func last(_ step: String, _ subject: String = "", hint: String? = nil)
        -> SystemError
    {
        SystemError(step, subject, errno: Glibc.errno, hint: hint)
    }

    public var description: String {
        let what = subject.isEmpty ? step : "\(step) \(subject)"
        return "\(what): \(Self.text(errno))" + (hint.map { "; \($0)" } ?? "")
    }

    /// strerror(3).
    public static func text(_ errno: Int32) -> String { String(cString: strerror(errno)) }

    public var isDiskFull: Bool { errno == ENOSPC || errno == EDQUOT }

    /// What others hold now and give back one day: room on a disk, descriptors.
    public var isShortage: Bool { isDiskFull || [EMFILE, ENFILE].contains(errno) }
}

/// Passes on a result that is >= 0, and throws -errno otherwise: the convention of CLinux.
@discardableResult
public func check<T: SignedInteger>(
    _ result: T, _ step: String, _ subject: @autoclosure () -> String = "",
    hint: @autoclosure () -> String? = nil
) throws(SystemError) -> T {
    guard result >= 0 else {
        throw SystemError(step, subject(), errno: Int32(-result), hint: hint())
    }
    return result
}

/// Passes on a result that is >= 0, and throws the thread's errno otherwise: the convention of the C library.
@discardableResult
public func checkErrno<T: SignedInteger>(
    _ result: T, _ step: String, _ subject: @autoclosure () -> String = ""
) throws(SystemError) -> T {
    guard result >= 0 else { throw SystemError.last(step, subject()) }
    return result
}

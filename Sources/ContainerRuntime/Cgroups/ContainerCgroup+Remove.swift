internal import Glibc
public import LinuxSystem

extension ContainerCgroup {
    /// Removes all directories with what the container made beneath them, and systemd's unit. Its processes must have ended
    /// or been killed: a directory stays busy until the last one is reaped, which is waited for.
    /// Throws EBUSY after five seconds; what is gone already is no error.
    public func remove() throws(SystemError) {
        if scope != nil, pending == nil { try stopScope() }
        let deadline = Clock.monotonic() + 5000
        var failure: SystemError?
        for directory in everyDirectory {
            do throws(SystemError) {
                try Self.remove(directory, before: deadline)
            } catch {
                // The others go all the same.
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
    }

    static func remove(_ directory: String, before deadline: Int64) throws(SystemError) {
        var pause: UInt32 = 500
        while rmdir(directory) < 0, errno != ENOENT {
            let error = SystemError.last("rmdir", directory)
            guard error.errno == EBUSY, Clock.monotonic() < deadline else { throw error }
            let children = children(of: directory)
            for child in children { try remove(child, before: deadline) }
            if children.isEmpty {
                usleep(pause)
                pause = min(pause * 2, 20_000)
            }
        }
    }
}

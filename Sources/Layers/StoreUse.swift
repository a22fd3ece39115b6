internal import Glibc
package import LinuxSystem
package import OCISpec

/// A process's stay in the store: shared with other pulls, never with a removal. Ends when it goes.
package final class StoreUse: Sendable {
    let paths: StorePaths
    /// This stay's own directory below `staging`.
    let staging: String
    private let lock: SharedLock

    /// Whoever finds nobody else here sweeps up what interrupted pulls left behind.
    package init(_ paths: StorePaths, _ form: OverlayForm) throws(ImageError) {
        self.paths = paths
        staging = "\(paths.staging)/\(getpid())-\(String(UInt64.random(in: 0 ... .max), radix: 36))"
        lock = try Self.open(paths, form)
        do throws(SystemError) {
            try Files.makeDirectories(staging, mode: 0o700)
        } catch {
            throw ImageError(system: error, "open the image store")
        }
    }

    private static func open(_ paths: StorePaths, _ form: OverlayForm) throws(ImageError)
        -> SharedLock
    {
        do throws(SystemError) {
            try paths.make(form)
            return try SharedLock.take(paths.storeLock) { sweep(paths) }
        } catch {
            throw ImageError(system: error, "open the image store")
        }
    }

    deinit { close() }

    /// Removes what was staged and not given a name. What cannot be removed now is swept up by the next pull.
    package func close() { try? TreeRemoval.remove(path: staging) }

    /// A name of its own in the staging directory.
    package func temporary(_ what: String) -> String {
        "\(staging)/\(what)-\(String(UInt64.random(in: 0 ... .max), radix: 36))"
    }

    static func sweep(_ paths: StorePaths) {
        // Best effort: what stays is in nobody's way.
        for name in (try? Files.names(in: paths.staging)) ?? [] {
            try? TreeRemoval.remove(path: paths.staging + "/" + name)
        }
    }
}

/// flock(2) of one digest; ends when it goes.
package final class StoreLock: Sendable {
    private let lock: FileLock?

    /// Whether nobody else has it; else the file system has no locks.
    let excludesOthers: Bool

    private init(_ lock: consuming FileLock?, excludesOthers: Bool) {
        self.lock = lock
        self.excludesOthers = excludesOthers
    }

    /// Nil where another pull holds it. On a file system without locks several pulls bring the same, and the first to publish wins.
    static func attempt(_ path: String) throws(SystemError) -> StoreLock? {
        do throws(SystemError) {
            guard let lock = try FileLock.attempt(path) else { return nil }
            return StoreLock(lock, excludesOthers: true)
        } catch {
            guard SharedLock.isUnsupported(error.errno) else { throw error }
            return StoreLock(nil, excludesOthers: false)
        }
    }

    /// Waits until no other pull holds it, asking less often the longer it takes: on a shared file system every question goes to
    /// its server. `isStopped` ends the waiting with `.cancelled`; `pause` sleeps for so many seconds at most.
    package static func wait(
        for digest: Digest, _ paths: StorePaths, isStopped: () -> Bool,
        pause: (Double) -> Void = { usleep(UInt32($0 * 1e6)) }
    ) throws(ImageError) -> StoreLock {
        var time = 0.01
        do throws(SystemError) {
            while true {
                if let lock = try attempt(paths.lock(digest)) { return lock }
                if isStopped() { break }
                pause(time * Double.random(in: 0.5...1))
                time = min(time * 1.3, 0.5)
            }
        } catch {
            throw ImageError(system: error, "lock \(digest.short)")
        }
        throw ImageError(.cancelled, "wait for", "another pull", "cancelled")
    }
}

/// flock(2), shared; taken alone for a moment where nobody else is there.
package final class SharedLock: Sendable {
    private let file: OwnedFD

    private init(_ file: consuming OwnedFD) { self.file = file }

    package static func take(_ path: String, whenAlone: () -> Void) throws(SystemError)
        -> SharedLock
    {
        let file = try OwnedFD.open(path, O_RDWR | O_CREAT, mode: 0o600)
        if flock(file.raw, LOCK_EX | LOCK_NB) == 0 { whenAlone() }
        while flock(file.raw, LOCK_SH) != 0 {
            // Without locks nothing is removed, so that nobody has to be kept from it.
            if isUnsupported(errno) { break }
            guard errno == EINTR else { throw SystemError.last("flock", path) }
        }
        return SharedLock(file)
    }

    /// Whether flock(2) failed for want of locks: NFS without lockd, Lustre without `flock`.
    package static func isUnsupported(_ errno: Int32) -> Bool {
        [ENOLCK, ENOSYS, EOPNOTSUPP].contains(errno)
    }
}

extension ImageError {
    package init(system error: SystemError, _ step: String) {
        let subject = error.subject.isEmpty ? "" : " (\(error.step) \(error.subject))"
        self.init(
            error.isDiskFull ? .diskFull : .system, step, "",
            SystemError.text(error.errno) + subject,
            hint: error.isDiskFull
                ? "free some space, or set MARTLET_HOME to another disk" : error.hint,
            errno: error.errno)
    }

    package init(_ error: DocumentError, _ step: String, _ subject: String) {
        self.init(.unsupported, step, subject, error.description)
    }
}

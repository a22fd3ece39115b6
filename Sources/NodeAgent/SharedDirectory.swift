internal import Glibc
internal import LinuxSystem

/// Whether a directory that a head names is the very one that this machine has under that name.
public enum SharedDirectory {
    /// True where `path` holds `token`, which only that head can have written there, and files can be made beside it. May wait for
    /// ever, where a file server has gone: for a process of its own.
    public static func isSame(_ path: String, _ token: String) -> Bool {
        guard let text = try? Files.text(path, limit: 4096), text == token else { return false }
        let probe =
            RootedPath.split(path).parent + "/.probe-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        guard (try? OwnedFD.open(probe, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW)) != nil else {
            return false
        }
        unlink(probe)
        return true
    }

    /// What the process says that found it so.
    public static let answer = "same\n"
}

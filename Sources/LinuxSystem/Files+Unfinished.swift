internal import Glibc

/// What killed processes had begun to write.
extension Files {
    /// Removes from a directory what `writeAtomically` had begun there and is certainly nobody's any more: its process lives no
    /// more, and no other of that number, unseen in another PID namespace or on another machine, is at it: it is as old as
    /// `seconds`. What cannot be read or removed stays.
    public static func removeUnfinished(in directory: String, olderThan seconds: Int = 3600) {
        for name in (try? names(in: directory)) ?? [] {
            guard let writer = writer(of: name), kill(writer, 0) < 0, errno == ESRCH else {
                continue
            }
            var status = stat()
            let path = directory + "/" + name
            guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
                status.st_mtim.tv_sec <= time(nil) - seconds
            else { continue }
            unlink(path)
        }
    }

    /// The process that writes `NAME.new-PID-CHANCE`; nil for another name.
    private static func writer(of name: String) -> pid_t? {
        let words = name.split(separator: "-", omittingEmptySubsequences: false)
        guard words.count > 2, words[words.count - 3].hasSuffix(".new"),
            let pid = pid_t(words[words.count - 2]), pid > 0
        else { return nil }
        return pid
    }
}

internal import Glibc
internal import LinuxSystem

/// What can be told of a database from outside, before SQLite makes something of it: a file of no length it takes for a new
/// database, and what a journal without its database has it deletes.
enum DatabaseFile {
    /// - Parameter isNew: nothing says that jobs were kept here before.
    static func check(_ path: String, isNew: Bool) throws(StoreError) {
        let journal = try status(path + "-wal")
        guard let file = try status(path) else {
            guard journal.map({ $0.st_size == 0 }) ?? true else {
                throw StoreError(
                    .corrupt, "open", path,
                    "it is gone, but its journal \(path)-wal is there, with what was last written")
            }
            return try checkFolder(of: path)
        }
        if file.st_size == 0, !isNew || (journal?.st_size ?? 0) > 0 {
            throw StoreError(
                .corrupt, "open", path, "it is empty, but there were jobs in it")
        }
        try checkFolder(of: path)
        for name in [path, path + "-wal", path + "-shm"] where Files.exists(name) {
            guard access(name, R_OK | W_OK) == 0 else { throw refusal(name, errno) }
        }
    }

    /// Opening the database makes an end of its journal: one that cannot be read to its end is kept beside it. Returns what there
    /// is to say of it.
    static func keepDamagedJournal(of path: String) throws(StoreError) -> [String] {
        let journal = path + "-wal"
        do throws(SystemError) {
            guard let damage = try JournalLook(journal).damage else { return [] }
            var number = 1
            while Files.exists("\(journal).damaged-\(number)") { number += 1 }
            let kept = "\(journal).damaged-\(number)"
            try Files.writeAtomically(kept, try Files.read(journal, limit: 1 << 30))
            return [
                """
                \(journal): \(damage). What was written last may be missing, unless it was never told to anybody: jobs that were \
                just submitted, and ends of tasks, which then run again. The journal as it was is kept as \(kept)
                """
            ]
        } catch {
            throw StoreError(.system, "keep a damaged journal of", path, "\(error)")
        }
    }

    /// Of a regular file; nil where there is none of the name.
    private static func status(_ path: String) throws(StoreError) -> stat? {
        var status = stat()
        guard stat(path, &status) == 0 else {
            if errno == ENOENT { return nil }
            throw refusal(path, errno)
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            let kind = status.st_mode & S_IFMT == S_IFDIR ? "a directory" : "no regular file"
            throw StoreError(
                .misplaced, "open", path,
                "it is \(kind); move it away: the database's file is to be there")
        }
        return status
    }

    private static func checkFolder(of path: String) throws(StoreError) {
        let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        guard access(folder, W_OK | X_OK) == 0 else { throw refusal(folder, errno) }
    }

    private static func refusal(_ path: String, _ number: Int32) -> StoreError {
        let advice =
            switch number {
            case EROFS: "mount its file system for writing, or choose another XDG_STATE_HOME"
            case EACCES, EPERM: "make it yours to read and write (chown, chmod)"
            default: "choose another XDG_STATE_HOME"
            }
        return StoreError(
            .misplaced, "open", path, "\(SystemError.text(number)); \(advice)")
    }
}

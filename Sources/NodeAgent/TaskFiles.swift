internal import Glibc
internal import JobModel
internal import LinuxSystem
internal import NodeLink

/// What is made on disk before a task starts.
struct TaskFiles {
    /// Free bytes below which no task is started: less would only make tasks fail in the middle. A fiftieth of a small disk.
    private static let reserve: UInt64 = 16 << 20
    /// Milliseconds for which it holds that there is room.
    private static let roomHolds: Int64 = 50

    private var roomSeen = Int64.min / 2

    /// Makes the attempt's directories and outputs. Throws ENOSPC also where there is hardly any room.
    /// Most often only the job's directories are there, so the common path is four mkdir and two open.
    mutating func make(_ directories: TaskDirectories, script: String?, user: String)
        throws(SystemError) -> (stdout: Int32, stderr: Int32)
    {
        if mkdir(directories.task, 0o755) < 0, errno != EEXIST {
            try Files.makeDirectories(directories.task)
        }
        if mkdir(directories.attempt, 0o755) < 0, errno != EEXIST {
            throw SystemError.last("mkdir", directories.attempt)
        }
        try checkRoom(directories.attempt)
        let isRoot = ["", "0", "root"].contains(user.prefix { $0 != ":" })
        for directory in [directories.results, directories.checkpoint] {
            if mkdir(directory, 0o755) < 0, errno != EEXIST {
                throw SystemError.last("mkdir", directory)
            }
            // The task's user is nobody that is known here, and it has to write there.
            if !isRoot { try checkErrno(chmod(directory, 0o777), "chmod", directory) }
        }
        if let script {
            try Files.writeAtomically(
                directories.script, script.utf8, mode: 0o755, durable: false)
        }
        let flags = O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW
        let stdout = try OwnedFD.open(directories.stdout, flags)
        let stderr = try OwnedFD.open(directories.stderr, flags)
        return (stdout.release(), stderr.release())
    }

    /// Of an attempt that was not started: nothing of it is left, and what others left stays.
    static func remove(_ directories: TaskDirectories) {
        for file in [directories.stdout, directories.stderr, directories.script] { unlink(file) }
        for directory in [
            directories.results, directories.attempt, directories.checkpoint, directories.task,
        ] { rmdir(directory) }
    }

    private mutating func checkRoom(_ path: String) throws(SystemError) {
        let now = Clock.monotonic()
        guard now - roomSeen >= Self.roomHolds else { return }
        var disk = statvfs()
        try checkErrno(statvfs(path, &disk), "statvfs", path)
        let (free, total) = (
            UInt64(disk.f_bavail) * UInt64(disk.f_frsize),
            UInt64(disk.f_blocks) * UInt64(disk.f_frsize)
        )
        // A file system that does not count its blocks (0 in all) is not judged.
        guard total == 0 || free >= min(Self.reserve, total / 50) else {
            throw SystemError("find room", path, errno: ENOSPC, hint: "\(free) bytes are free")
        }
        roomSeen = now
    }
}

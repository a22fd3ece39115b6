internal import Glibc
internal import JobModel
internal import LinuxSystem
internal import NodeLink

/// Takes in the checkpoint that an attempt left on another node, for the next attempt here. It takes the place of what is here when it is
/// whole, and at once.
final class CheckpointStream: AgentStream {
    private let list: [LeftFile]
    private let task: OwnedFD
    /// Where it is made, beside its place.
    private let new: OwnedFD
    private let newName: String
    private let oldName: String
    /// Of what is in the way, or was given up: removed in the background.
    private let remove: (_ name: String) -> Void

    private var next = 0
    private var file: OwnedFD?
    private var offset: Int64 = 0
    private var sum = Checksum()
    private var end: String??
    private var isPlaced = false
    private var port: StreamPort?

    /// - Parameter task: the task's directory.
    init(_ restore: CheckpointRestore, task path: String, remove: @escaping (String) -> Void)
        throws(SystemError)
    {
        let unique = "\(restore.attempt.number)-\(UInt32.random(in: 0 ... .max))"
        (newName, oldName) = (".checkpoint-new-\(unique)", ".checkpoint-old-\(unique)")
        list = restore.list
        self.remove = remove
        try Files.makeDirectories(path + "/" + newName)
        task = try OwnedFD.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        new = try OwnedFD.openAt(task.raw, newName, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
    }

    func begin(_ port: StreamPort) {
        self.port = port
        goOn([])
    }

    func next(_ limit: Int) -> StreamPiece { end.map { .end($0) } ?? .later }

    func take(_ bytes: [UInt8]) {
        goOn(bytes[...])
        port?.consumed(bytes.count)
    }

    func headEnded(_ reason: String?) {
        guard end == nil else { return }
        finish(reason ?? "the head sent less than it had told")
    }

    func close() { if !isPlaced { remove(newName) } }

    /// Writes what has come, and what needs no bytes.
    private func goOn(_ bytes: ArraySlice<UInt8>) {
        guard end == nil else { return }
        do throws(SystemError) {
            var rest = bytes
            while next < list.count, try step(&rest) {}
            if next == list.count {
                try place()
                finish(nil)
            }
        } catch { finish("\(error)") }
    }

    private func finish(_ reason: String?) {
        end = .some(reason)
        file = nil
        port?.wake()
    }

    /// False where more bytes are needed.
    private func step(_ rest: inout ArraySlice<UInt8>) throws(SystemError) -> Bool {
        let entry = list[next]
        let parts = entry.path.split(separator: "/", omittingEmptySubsequences: false).map(
            String.init)
        guard parts.first == KeptAttempt.checkpoint, parts.count > 1,
            !parts.contains(where: { ["", ".", ".."].contains($0) })
        else { throw SystemError("restore", entry.path, errno: EINVAL) }
        let inside = parts.dropFirst()
        guard case .file(let size, let checksum) = entry.kind else {
            try make(entry, inside)
            next += 1
            return true
        }
        if file == nil {
            (offset, sum) = (0, Checksum())
            let parent = try parent(of: inside)
            file = try OwnedFD.openAt(
                parent.raw, inside.last ?? "", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600
            )
        }
        let piece = rest.prefix(Int(size - offset))
        if let raw = file?.raw, !piece.isEmpty { try Files.writeAll(raw, piece, entry.path) }
        sum.add(piece)
        offset += Int64(piece.count)
        rest = rest.dropFirst(piece.count)
        guard offset == size else { return false }
        guard sum.value == checksum else {
            throw SystemError(
                "restore", entry.path, errno: EBADMSG, hint: "its checksum is another one")
        }
        if let raw = file?.raw {
            try checkErrno(fchmod(raw, Self.open(to: entry.mode)), "chmod", entry.path)
        }
        file = nil
        next += 1
        return true
    }

    /// Nobody else comes into the directory above, and the task's user is none that is known here: what the owner may, all may.
    private static func open(to mode: UInt32) -> UInt32 {
        let owner = mode & 0o700
        return owner | owner >> 3 | owner >> 6 | 0o600
    }

    private func make(_ entry: LeftFile, _ parts: ArraySlice<String>) throws(SystemError) {
        let parent = try parent(of: parts)
        let name = parts.last ?? ""
        if case .link(let target) = entry.kind {
            try checkErrno(symlinkat(target, parent.raw, name), "link", entry.path)
        } else {
            try checkErrno(mkdirat(parent.raw, name, 0o700), "mkdir", entry.path)
            let made = try OwnedFD.openAt(parent.raw, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
            try checkErrno(fchmod(made.raw, 0o777), "chmod", entry.path)
        }
    }

    /// Directories come before what is in them.
    private func parent(of parts: ArraySlice<String>) throws(SystemError) -> OwnedFD {
        try RootedPath.open(
            root: new.raw, "/" + parts.dropLast().joined(separator: "/"), O_RDONLY | O_DIRECTORY,
            followLinks: false)
    }

    private func place() throws(SystemError) {
        let name = KeptAttempt.checkpoint
        if renameat(task.raw, name, task.raw, oldName) == 0 {
            remove(oldName)
        } else if errno != ENOENT {
            throw SystemError.last("rename", name)
        }
        try checkErrno(renameat(task.raw, newName, task.raw, name), "rename", newName)
        isPlaced = true
    }
}

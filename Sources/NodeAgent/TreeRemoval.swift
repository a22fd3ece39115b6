internal import Glibc
internal import LinuxSystem

/// Removes a directory and all that lies in it, a slice at a time. By descriptor, so that no link that a task made leads out of it.
final class TreeRemoval {
    /// Entries in one step.
    private static let slice = 500
    /// Open directories at once; a tree that is deeper was made to be so, and stays.
    private static let deepest = 200

    private let path: String
    private var stack: [(name: String, reader: DirectoryReader, isSecondTime: Bool)] = []
    private var hasBegun = false

    init(_ path: String) { self.path = path }

    /// True when all has gone. What cannot be removed throws, and stays where it is.
    func step() throws(SystemError) -> Bool {
        if !hasBegun {
            hasBegun = true
            do throws(SystemError) {
                try enter(path, in: AT_FDCWD)
            } catch {
                if error.errno == ENOENT { return true }
                throw error
            }
        }
        for _ in 0..<Self.slice where !stack.isEmpty { try removeOne() }
        return stack.isEmpty
    }

    private func removeOne() throws(SystemError) {
        guard let (name, reader, isSecondTime) = stack.last else { return }
        guard let entry = reader.next() else {
            stack.removeLast()
            let parent = stack.last?.reader.raw ?? AT_FDCWD
            if unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT { return }
            // Some file systems list no further where entries go meanwhile.
            guard errno == ENOTEMPTY, !isSecondTime else {
                throw SystemError.last("remove", "\(path): \(name)")
            }
            return try enter(name, in: parent, isSecondTime: true)
        }
        if unlinkat(reader.raw, entry.name, 0) == 0 || errno == ENOENT { return }
        guard errno == EISDIR || errno == EPERM else {
            throw SystemError.last("remove", "\(path): \(entry.repaired)")
        }
        guard let text = entry.text, stack.count < Self.deepest else {
            throw SystemError("remove", "\(path): \(entry.repaired)", errno: ELOOP)
        }
        try enter(text, in: reader.raw)
    }

    private func enter(_ name: String, in directory: Int32, isSecondTime: Bool = false)
        throws(SystemError)
    {
        let fd = try OwnedFD.openAt(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        stack.append((name, try DirectoryReader(fd, name), isSecondTime))
    }
}

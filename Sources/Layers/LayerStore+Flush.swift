internal import CLinux
internal import Glibc
internal import LinuxSystem

/// How new layers get to the disk; until they are there, a crash of the machine has them unpacked again.
public enum StoreSync: String, Sendable, CaseIterable {
    /// One syncfs(2): the fastest, and on a file system that others write to it waits for all they wrote, too.
    case fileSystem = "filesystem"
    /// fsync(2) of every file of the new layers, and of nothing else.
    case files
    /// Never: after any reboot everything is unpacked again.
    case never
}

extension LayerStore {
    /// Flushes and then trusts every layer of this boot that was there before, also after a crash.
    /// Layers that an earlier boot left in doubt stay so: what they lost before is not to be had by flushing.
    package func flush() {
        let before = marks()
        guard !before.isEmpty else { return }
        // A flush that fails leaves the marks, and so the layers in doubt after the next boot.
        switch settings.sync {
        case .never: return
        case .fileSystem:
            guard let directory = try? OwnedFD.open(paths.root, O_RDONLY | O_DIRECTORY),
                cl_syncfs(directory.raw) == 0
            else { return }
            remove(before)
        case .files:
            for (mark, known) in before where flushFiles(ofLayer: String(mark.dropLast(9))) {
                remove([mark: known])
            }
        }
    }

    private func remove(_ before: [String: Mark]) {
        let now = marks()
        // Another mark of the same name is that of a layer which was removed and brought in again meanwhile.
        for (path, mark) in before where now[path] == mark { unlink(path) }
    }

    private func flushFiles(ofLayer layer: String) -> Bool {
        // The list, and the directory that holds the names, last.
        guard (try? FileFlush.tree(layer)) != nil, FileFlush.file(paths.list(layer)),
            FileFlush.file(paths.layers(form))
        else { return false }
        return true
    }

    private struct Mark: Hashable {
        var inode: ino_t
        var seconds: Int
        var nanoseconds: Int
    }

    /// The marks of this boot, by path.
    private func marks() -> [String: Mark] {
        var marks: [String: Mark] = [:]
        // No directory yet, no marks.
        for name in (try? Files.names(in: paths.layers(form))) ?? []
        where name.hasSuffix(".unsynced") {
            let path = paths.layers(form) + "/" + name
            var status = stat()
            // One that goes meanwhile is no mark any more.
            guard stat(path, &status) == 0, (try? Files.text(path)) == node.mark else { continue }
            marks[path] = Mark(
                inode: status.st_ino, seconds: status.st_mtim.tv_sec,
                nanoseconds: status.st_mtim.tv_nsec)
        }
        return marks
    }
}

/// fsync(2), file by file.
private enum FileFlush {
    static func file(_ path: String) -> Bool {
        guard let file = try? OwnedFD.open(path, O_RDONLY) else { return false }
        return fsync(file.raw) == 0
    }

    static func tree(_ path: String) throws(LayerError) {
        guard let root = try Raw.open(AT_FDCWD, Array(path.utf8).cName, O_RDONLY | O_DIRECTORY)
        else { throw LayerError(system: ENOENT, "open") }
        defer { close(root) }
        try below(root)
    }

    private static func below(_ directory: Int32) throws(LayerError) {
        for name in try DirectoryListing.names(directory, [46, 0]) {
            guard let status = try Raw.status(directory, name.cName) else { continue }
            let isDirectory = Raw.isDirectory(status)
            // Links and nodes are in their directory. What its owner cannot open stays for the kernel to write.
            guard isDirectory || status.st_mode & S_IFMT == S_IFREG,
                let file = openToFlush(directory, name.cName)
            else { continue }
            defer { close(file) }
            if isDirectory { try below(file) } else { try Raw.check(fsync(file), "fsync") }
        }
        try Raw.check(fsync(directory), "fsync")
    }

    private static func openToFlush(_ directory: Int32, _ name: [CChar]) -> Int32? {
        (try? Raw.open(directory, name, O_RDONLY)) ?? nil
    }
}

internal import CLinux
internal import Glibc
internal import LinuxSystem

/// Makes a tree's files of what is here, in a directory that nobody looks at yet.
struct TreeAssembly {
    private let manifest: TreeManifest
    private let path: String
    private let progress: (Int) -> Void

    /// - Parameters:
    ///   - path: made here; it must not exist.
    ///   - progress: how many entries there are, now and then.
    init(_ manifest: TreeManifest, in path: String, progress: @escaping (Int) -> Void) {
        self.manifest = manifest
        self.path = path
        self.progress = progress
    }

    /// False where a piece turned out not to be here after all: the donors have forgotten it, and this directory is of no use.
    func run(_ donors: inout TreeDonors) throws(TreeError) -> Bool {
        let root = try system { () throws(SystemError) in
            try checkErrno(mkdir(path, 0o700), "mkdir", path)
            return try OwnedFD.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        }
        var place = 1
        while place < manifest.entries.count {
            // All of a directory stand together.
            let parent = manifest.entries[place].parent
            let directory = try system { () throws(SystemError) in
                try TreePath.open(manifest.path(of: parent), in: root.raw, O_RDONLY | O_DIRECTORY)
            }
            while place < manifest.entries.count, manifest.entries[place].parent == parent {
                guard try make(place, in: directory.raw, &donors) else { return false }
                place += 1
                if place % 1000 == 0 { progress(place) }
            }
        }
        try finishDirectories(root.raw)
        return true
    }

    private func make(_ place: Int, in directory: Int32, _ donors: inout TreeDonors)
        throws(TreeError) -> Bool
    {
        let entry = manifest.entries[place]
        let name = TreePath.c(entry.name)
        switch entry.kind {
        case .directory:
            try step("mkdir", place, mkdirat(directory, name, 0o700))
        case .link(let target):
            try step("symlink", place, symlinkat(TreePath.c(target), directory, name))
            let times = [entry.modified.timespec, entry.modified.timespec]
            try step("set times of", place, utimensat(directory, name, times, AT_SYMLINK_NOFOLLOW))
        case .file(let pieces):
            let chunks = manifest.chunks[pieces]
            let key = TreeDonors.key(entry, chunks)
            if let donor = donors.file(like: key), link(donor, entry, chunks, name, directory) {
                return true
            }
            return try write(place, entry, chunks, name, directory, &donors)
        }
        return true
    }

    /// A second name for the same file: what it holds was verified when it was made, and trees are never written to.
    private func link(
        _ donor: (tree: TreeDonors.Tree, entry: Int), _ entry: TreeManifest.Entry,
        _ chunks: ArraySlice<TreeManifest.Chunk>, _ name: [CChar], _ directory: Int32
    ) -> Bool {
        let path = donor.tree.manifest.path(of: donor.entry)
        // By descriptor, so that no link on the way is followed; linkat(2), "AT_SYMLINK_FOLLOW" with /proc.
        guard let file = try? TreePath.open(path, in: donor.tree.root, O_RDONLY),
            let status = try? TreePath.status(file.raw, path),
            status.st_mode & S_IFMT == S_IFREG,
            Int64(status.st_size) == chunks.reduce(0, { $0 + Int64($1.length) }),
            ModificationTime(status.st_mtim) == entry.modified,
            UInt32(status.st_mode & 0o7777) == entry.mode
        else { return false }
        let source = "/proc/self/fd/\(file.raw)"
        return linkat(AT_FDCWD, source, directory, name, AT_SYMLINK_FOLLOW) == 0
    }

    private func write(
        _ place: Int, _ entry: TreeManifest.Entry, _ chunks: ArraySlice<TreeManifest.Chunk>,
        _ name: [CChar], _ directory: Int32, _ donors: inout TreeDonors
    ) throws(TreeError) -> Bool {
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
        let raw = openat(directory, name, flags, 0o600)
        try step("create", place, raw)
        let file = OwnedFD(raw)
        var size: off_t = 0
        for chunk in chunks {
            guard let bytes = donors.bytes(chunk) else { return false }
            size += off_t(bytes.count)
            // A hole takes no room.
            if Self.isZero(bytes) { continue }
            try step("seek in", place, lseek(file.raw, size - bytes.count, SEEK_SET) < 0 ? -1 : 0)
            try system { () throws(SystemError) in
                try Files.writeAll(file.raw, bytes, manifest.text(of: place))
            }
        }
        try step("set size of", place, ftruncate(file.raw, size))
        try step("chmod", place, fchmod(file.raw, entry.mode))
        let times = [entry.modified.timespec, entry.modified.timespec]
        try step("set times of", place, futimens(file.raw, times))
        return true
    }

    private static func isZero(_ bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress, bytes[0] == 0 else { return false }
            return memcmp(base, base + 1, bytes.count - 1) == 0
        }
    }

    /// Last, and the innermost first: what is made in a directory changes its time, and needs the right to write there.
    private func finishDirectories(_ root: Int32) throws(TreeError) {
        for place in manifest.entries.indices.reversed() {
            let entry = manifest.entries[place]
            guard entry.kind == .directory else { continue }
            let directory = try system { () throws(SystemError) in
                try TreePath.open(manifest.path(of: place), in: root, O_RDONLY | O_DIRECTORY)
            }
            let times = [entry.modified.timespec, entry.modified.timespec]
            try step("set times of", place, futimens(directory.raw, times))
            // Changes no such time.
            try step("chmod", place, fchmod(directory.raw, entry.mode))
        }
    }

    private func step(_ what: String, _ place: Int, _ result: Int32) throws(TreeError) {
        guard result < 0 else { return }
        throw TreeError(SystemError.last(what, manifest.text(of: place)))
    }
}

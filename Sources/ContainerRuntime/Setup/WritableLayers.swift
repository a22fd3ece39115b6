internal import CLinux
internal import Glibc
internal import LinuxSystem

/// Writable layers on disk, for launchers in a user namespace before Linux 6.6: overlayfs keeps its marks there in attributes
/// `user.*` (overlayfs.rst, "userxattr"), and tmpfs has none; without marks a directory of the image cannot be removed.
struct WritableLayers {
    private let directory: String
    private var made = 0

    /// Whether tmpfs can hold them.
    static func fitTmpfs(_ trees: PreparedTrees) -> Bool {
        !trees.host.inUserNamespace || takesMarks(trees.directory + "/up")
    }

    /// Nil where no place takes such attributes: then tmpfs has to do, with what it cannot.
    /// What an earlier launcher of this directory has left is removed.
    init?(runDirectory: String) {
        var status = stat()
        guard stat(runDirectory, &status) == 0 else { return nil }
        // The run directory is a tmpfs itself as a rule, and home may be on a network.
        let places = [
            "/var/tmp/martlet-layers-\(status.st_dev)-\(status.st_ino)", runDirectory + "/layers",
        ]
        let place = places.first {
            (try? Files.makePrivateDirectory($0)) != nil && Self.takesMarks($0)
        }
        guard let place else { return nil }
        directory = place
        for name in (try? Files.names(in: place)) ?? [] { remove(place + "/" + name) }
    }

    private static func takesMarks(_ directory: String) -> Bool {
        setxattr(directory, "user.martlet", "y", 1, 0) == 0
    }

    /// A path for the next one.
    mutating func next() -> String {
        made += 1
        return directory + "/\(getpid())-\(made)"
    }

    /// Removed by a process of its own: it may take long, and the launcher waits for nothing.
    func remove(_ layer: String) {
        guard cl_clone3(0, nil, -1) == 0 else { return }
        // The lock and the sockets of a launcher that may die meanwhile.
        OwnedFD.closeAll(from: 3)
        Self.removeTree(AT_FDCWD, layer)
        _exit(0)
    }

    /// By descriptor, following no link. What cannot be removed stays until the next launcher tries.
    private static func removeTree(_ parent: Int32, _ name: String) {
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW
        if unlinkat(parent, name, 0) == 0 { return }
        // overlayfs leaves a directory without permissions behind; root of the namespace opens it.
        guard let directory = try? OwnedFD.openAt(parent, name, flags),
            let names = try? Files.names(in: "/proc/self/fd/\(directory.raw)")
        else { return }
        for name in names { removeTree(directory.raw, name) }
        unlinkat(parent, name, Int32(AT_REMOVEDIR))
    }
}

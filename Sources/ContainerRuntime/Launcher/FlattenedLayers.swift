internal import Glibc
internal import LinuxSystem

/// One read-only overlay for each image of many layers, beneath the writable layers of all its containers: mounting 40 layers
/// takes 0.27 ms and looking for what is in none of them 24 µs a name, in each container anew; above one overlay that stays
/// 0.08 ms and 6 µs. What is found is opened 2 µs later then, so images of few layers are better off without.
///
/// Mounted in the launcher's own namespace, and gone when no container has used it for a while.
final class FlattenedLayers {
    /// What a directory is, whatever its name: device and inode, stat(2).
    struct FileIdentity: Hashable {
        let device: UInt64
        let inode: UInt64

        init?(_ path: String) {
            var status = Glibc.stat()
            guard stat(path, &status) == 0 else { return nil }
            device = UInt64(status.st_dev)
            inode = UInt64(status.st_ino)
        }
    }

    private struct Overlay {
        let path: String
        var users: Int
    }

    /// Layers from which on it pays.
    static let fewest = 16
    /// Milliseconds that an unused one is kept: a layer's directory may be removed or replaced meanwhile.
    private static let patience: Int64 = 5000

    private let directory: String
    private let inUserNamespace: Bool
    private let loop: EventLoop
    private var overlays: [[FileIdentity]: Overlay] = [:]
    private var last = 0
    /// Layers that cannot be flattened: the kernel stacks two overlays (FILESYSTEM_MAX_STACK_DEPTH), and a store may lie on one
    /// already.
    private var refused: Set<[FileIdentity]> = []

    init(_ trees: PreparedTrees, _ loop: EventLoop) {
        directory = trees.directory
        inUserNamespace = trees.host.inUserNamespace
        self.loop = loop
    }

    /// What a container is to have in place of these layers, to be given back by `give`; nil where it is to have them as they are.
    func take(_ layers: [String]) -> (layer: String, key: [FileIdentity])? {
        guard layers.count >= Self.fewest else { return nil }
        // The names alone would not do: a damaged layer is replaced by another directory of the same name.
        let key = layers.compactMap(FileIdentity.init)
        guard key.count == layers.count, !refused.contains(key) else { return nil }
        if overlays[key] == nil {
            // Whatever is wrong with the layers, mounting them one by one will tell.
            guard let path = try? mount(layers) else {
                refused.insert(key)
                return nil
            }
            overlays[key] = Overlay(path: path, users: 0)
        }
        overlays[key]?.users += 1
        return overlays[key].map { ($0.path, key) }
    }

    func give(_ key: [FileIdentity]) {
        overlays[key]?.users -= 1
        guard overlays[key]?.users == 0, let path = overlays[key]?.path else { return }
        _ = loop.after(Self.patience) { [weak self] in self?.drop(key, path) }
    }

    private func drop(_ key: [FileIdentity], _ path: String) {
        guard let overlay = overlays[key], overlay.path == path, overlay.users == 0 else { return }
        overlays[key] = nil
        umount2(path, Int32(MNT_DETACH))
        rmdir(path)
    }

    private func mount(_ layers: [String]) throws(SystemError) -> String {
        last += 1
        let path = "\(directory)/flat\(last)"
        try checkErrno(mkdir(path, 0o700), "mkdir", path)
        do throws(SystemError) {
            try mount(layers, on: path)
            // Whether a container's overlay can lie on it.
            try mount([directory + "/empty", path], on: directory + "/root")
            umount2(directory + "/root", Int32(MNT_DETACH))
        } catch {
            umount2(path, Int32(MNT_DETACH))
            rmdir(path)
            throw error
        }
        return path
    }

    /// Read-only, by descriptor as `ContainerChild.mountOverlayAtOnce`.
    private func mount(_ layers: [String], on path: String) throws(SystemError) {
        var opened: [Int32] = []
        defer { for layer in opened { close(layer) } }
        for layer in layers.reversed() {
            opened.append(
                try OwnedFD.open(layer, RootedPath.openPath | O_DIRECTORY).release())
        }
        let lowers = opened.map { "/proc/self/fd/\($0)" }.joined(separator: ":")
        let options = "lowerdir=" + lowers + (inUserNamespace ? ",userxattr" : "")
        try checkErrno(
            Glibc.mount("overlay", path, "overlay", UInt(MS_RDONLY | MS_NODEV), options),
            "mount(overlay)", path)
    }
}

internal import Glibc
internal import LinuxSystem
package import OCISpec

/// By what a directory of one machine's store is known to be the same one when another machine sees it.
package enum SeenLayers {
    /// Of an unpacked layer, the end of its list with the sum of every record; of a plain directory, inode and time.
    package static func mark(of path: String) throws(ImageError) -> String {
        if let end = LayerList.ending(of: path + ".list") { return end }
        var status = stat()
        guard stat(path, &status) == 0, Raw.isDirectory(status) else {
            throw ImageError(system: SystemError.last("stat", path), "use \(path)")
        }
        let time = status.st_mtim
        return "directory \(status.st_ino) \(time.tv_sec).\(time.tv_nsec)"
    }

    /// Whether all of these directories are here, the very same, and can be mounted by this process. Of layers `diffIDs` are known;
    /// nil are plain directories.
    package static func areHere(
        _ directories: [(path: String, mark: String)], diffIDs: [Digest]?, _ settings: LayerSettings
    ) -> Bool {
        guard !directories.isEmpty,
            // What cannot be looked at is not seen.
            directories.allSatisfy({ (try? mark(of: $0.path)) == $0.mark })
        else { return false }
        guard let diffIDs else { return true }
        let (layers, _) = RootedPath.split(directories[0].path)
        let store = LayerStore(
            paths: StorePaths(root: RootedPath.split(layers).parent), settings: settings)
        // Of another form they could not be mounted, and one that is in doubt there is in doubt here.
        let found = Set(diffIDs.indices.map { store.find(diffIDs, $0) })
        return found == Set(directories.map(\.path))
    }
}

internal import CLinux
internal import Glibc
internal import LinuxSystem
internal import OCISpec

/// Unpacked layers by key. A layer that is the same above any others is kept under its diff id and shared; one that took
/// something from those below it is kept under a key of the whole chain.
struct LayerStore: Sendable {
    let paths: StorePaths
    let form: OverlayForm

    /// The key of a layer that is bound to those below it (chain id: image-spec config.md), never equal to a diff id.
    static func boundKey(_ diffIDs: ArraySlice<Digest>) -> Digest {
        guard var chain = diffIDs.first else { return digestOf([UInt8]()) }
        for diffID in diffIDs.dropFirst() { chain = digestOf("\(chain) \(diffID)".utf8) }
        return digestOf("bound \(chain)".utf8)
    }

    /// Both keys under which the layer at `index` may be kept, the more special first.
    static func keys(_ diffIDs: [Digest], _ index: Int) -> [Digest] {
        [boundKey(diffIDs[...index]), diffIDs[index]]
    }

    /// The directory of an unpacked layer; nil where there is none that can be trusted.
    func find(_ diffIDs: [Digest], _ index: Int) -> String? {
        Self.keys(diffIDs, index).map { paths.layer($0, form) }.first(where: isTrusted)
    }

    /// Complete, and written down: by this boot of the machine, or flushed to the disk in an earlier one.
    private func isTrusted(_ layer: String) -> Bool {
        guard Files.exists(layer) else { return false }
        // No marker means that it was flushed.
        guard let boot = try? Files.text(paths.unsynced(layer)) else { return true }
        return boot == Self.bootID
    }

    /// Gives a finished staging directory its name; one that another process put there meanwhile serves as well.
    func publish(_ staging: String, _ key: Digest) throws(ImageError) -> String {
        let path = paths.layer(key, form)
        if Files.exists(path), !isTrusted(path) {
            // Of a boot that ended before it was flushed: files may be empty.
            do throws(LayerError) {
                try TreeRemoval.remove(path: path)
            } catch {
                throw error.imageError(layer: key.short)
            }
        }
        do throws(SystemError) {
            if !Files.exists(path) {
                try Files.writeAtomically(paths.unsynced(path), Self.bootID.utf8, durable: false)
            }
        } catch {
            throw ImageError(system: error, "store layer \(key.short)")
        }
        if Raw.renameDirectory(staging, path) { return path }
        guard errno == EEXIST || errno == ENOTEMPTY else {
            throw ImageError(system: SystemError.last("rename", path), "store layer \(key.short)")
        }
        return path
    }

    /// Flushes the store's file system and then trusts every layer of this boot that was there before, also after a crash.
    /// Layers that an earlier boot left in doubt stay so: what they lost before is not to be had by flushing.
    func flush() {
        let before = marks()
        // A flush that fails leaves the marks, and so the layers in doubt after the next boot.
        guard !before.isEmpty,
            let directory = try? OwnedFD.open(paths.root, O_RDONLY | O_DIRECTORY),
            cl_syncfs(directory.raw) == 0
        else { return }
        let now = marks()
        // Another mark of the same name is that of a layer which was removed and brought in again meanwhile.
        for (path, mark) in before where now[path] == mark { unlink(path) }
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
            guard stat(path, &status) == 0, (try? Files.text(path)) == Self.bootID else { continue }
            marks[path] = Mark(
                inode: status.st_ino, seconds: status.st_mtim.tv_sec,
                nanoseconds: status.st_mtim.tv_nsec)
        }
        return marks
    }

    static let bootID: String = {
        // Without /proc every boot looks like this one.
        let text = (try? Files.text("/proc/sys/kernel/random/boot_id")) ?? ""
        return String(text.prefix { $0 != "\n" })
    }()
}

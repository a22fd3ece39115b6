internal import Glibc
package import LinuxSystem
package import OCISpec

/// Where everything of a store lies. Names below it are digests in hexadecimal: safe in paths and in overlay options.
package struct StorePaths: Sendable, Hashable {
    package let root: String
    package init(root: String) { self.root = root }

    package var blobs: String { root + "/blobs/sha256" }
    package var references: String { root + "/references" }
    /// Locks by digest, and the store's own, shared by pulls and taken alone by removal.
    package var locks: String { root + "/locks" }
    /// Blobs whose download was interrupted, by digest; another pull goes on with them.
    package var partials: String { root + "/partials" }
    /// Everything else that is not yet verified.
    package var staging: String { root + "/staging" }
    package var storeLock: String { locks + "/store" }

    package func blob(_ digest: Digest) -> String { blobs + "/" + digest.hex }
    func partial(_ digest: Digest) -> String { partials + "/" + digest.hex }
    /// No two overlay forms share a directory: a layer unpacked by root cannot serve a user namespace, nor one with subordinate
    /// ids a user namespace of others, on another machine or after the grant has changed.
    package func layers(_ form: OverlayForm) -> String {
        switch form {
        case .trusted: root + "/layers"
        case .user: root + "/user-layers"
        case .mapped(let ids):
            root + "/user-layers-\(ids.users.first)-\(ids.users.count)"
                + "-\(ids.groups.first)-\(ids.groups.count)"
        }
    }
    /// The names of all of them that are there, of whatever form.
    package var layerDirectories: [String] {
        // No store yet, no layers.
        let names = (try? Files.names(in: root)) ?? []
        return names.filter { $0 == "layers" || $0.hasPrefix("user-layers") }.sorted()
    }
    func layer(_ key: Digest, _ form: OverlayForm) -> String { layers(form) + "/" + key.hex }
    func lock(_ digest: Digest) -> String { locks + "/" + digest.hex }
    /// Beside a layer until it is known to be on the disk: says which machine wrote it, and in which boot. Or that it is damaged.
    func unsynced(_ layer: String) -> String { layer + ".unsynced" }
    /// Beside a layer: what it holds.
    package func list(_ layer: String) -> String { layer + ".list" }
    /// Which jobs and mounts use which images.
    package var uses: String { root + "/uses" }
    /// Where a blob goes that was found damaged.
    package func damaged(_ digest: Digest) -> String { blob(digest) + ".damaged" }

    /// Only the owner enters: layers hold set-user-ID files, and images secrets. An overlay shows them to containers of any
    /// user, for whom only the layers' own modes count.
    package func make(_ form: OverlayForm) throws(SystemError) {
        for path in [blobs, references, locks, partials, staging, uses, layers(form)] {
            try Files.makeDirectories(path, mode: 0o700)
            var status = stat()
            try checkErrno(stat(path, &status), "stat", path)
            if status.st_mode & 0o077 != 0 { try checkErrno(chmod(path, 0o700), "chmod", path) }
        }
    }
}

internal import Glibc
internal import LinuxSystem
internal import OCISpec

/// What a removal freed, or would free.
public struct RemovalSummary: Sendable, Hashable, Codable {
    /// Names that are forgotten.
    public var references: [String] = []
    public var blobs = 0
    public var layers = 0
    /// Bytes of the blobs and of the files in the layers.
    public var bytes: Int64 = 0
    /// References of which it is not known what they need: because of them nothing was dropped.
    public var damaged: [String] = []
}

extension LayerStore {
    /// Whether a record is of the tag `name` at one digest.
    package static func isPin(_ record: String, of name: String) -> Bool {
        pinnedTag(record) == name
    }

    /// The tag that a job's record was pinned of; nil for every other record.
    package static func pinnedTag(_ record: String) -> String? {
        // A path is no reference.
        guard let parsed = try? ImageReference(record), parsed.digest != nil, parsed.tag != nil
        else { return nil }
        return parsed.withoutDigest.description
    }

    /// Runs `body` while nobody pulls, then deletes what it put out of the way: that takes long, and nobody has to wait for it.
    package func alone(_ body: () throws(ImageError) -> RemovalSummary) throws(ImageError)
        -> RemovalSummary
    {
        let summary: RemovalSummary
        do {
            let lock = try exclusive()
            defer { withExtendedLifetime(lock) {} }
            summary = try body()
        }
        for name in (try? Files.names(in: paths.staging)) ?? [] where name.hasPrefix(Self.removed) {
            // What cannot be removed now is swept up by the next pull.
            try? TreeRemoval.remove(path: paths.staging + "/" + name)
        }
        return summary
    }

    private static let removed = "removed-"

    private func exclusive() throws(ImageError) -> ExclusiveLock {
        do throws(SystemError) {
            try paths.make(form)
            return ExclusiveLock(try FileLock.wait(paths.storeLock))
        } catch {
            guard SharedLock.isUnsupported(error.errno) else {
                throw ImageError(system: error, "lock the image store")
            }
            throw ImageError(
                .unsupported, "lock the image store", "",
                "its file system has no locks, so that nobody knows who else is at it",
                hint: "mount it with locks, or remove \(paths.root) as a whole", errno: error.errno)
        }
    }

    /// Removes names and puts all that nothing needs then out of the way. With names of which it is not known what they need, all
    /// else stays.
    package func forget(_ names: Set<String>, _ inventory: StoreInventory) throws(ImageError)
        -> RemovalSummary
    {
        for name in names { try references.remove(name) }
        uses.sweep()
        let damaged = inventory.damaged.filter { !names.contains($0) }
        var summary = RemovalSummary(references: names.sorted(), damaged: damaged)
        guard damaged.isEmpty else { return summary }
        let needed = inventory.needed(without: names)
        for (name, bytes) in inventory.blobs where !needed.blobs.contains(name) {
            try putAside(paths.blobs + "/" + name)
            summary.blobs += 1
            summary.bytes += bytes
        }
        for (path, bytes) in inventory.layers where !needed.layers.contains(path) {
            do throws(ImageError) {
                // First the directory: what is removed by half never looks complete.
                try putAside(paths.root + "/" + path)
            } catch {
                // Of root, or of ids that are this user's no more, it may be another's to remove.
                guard isOwn(path) else { continue }
                throw error
            }
            summary.layers += 1
            summary.bytes += bytes
        }
        for directory in paths.layerDirectories {
            try sweepLeftovers(paths.root + "/" + directory)
        }
        return summary
    }

    private func isOwn(_ layer: String) -> Bool {
        (paths.root + "/" + layer).hasPrefix(paths.layers(form) + "/")
    }

    /// Lists and marks without their layer, and what was being written when its writer was killed.
    private func sweepLeftovers(_ layers: String) throws(ImageError) {
        for name in try names(layers) where name.contains(".") {
            let layer = String(name.prefix { $0 != "." })
            let isAlone = !name.contains(LayerStore.replaced) && !Files.exists(layers + "/" + layer)
            if isAlone || Self.isUnfinished(name) { unlink(layers + "/" + name) }
        }
        for directory in [paths.references, paths.uses] {
            for name in try names(directory) where Self.isUnfinished(name) {
                unlink(directory + "/" + name)
            }
        }
        for name in try names(paths.partials) { unlink(paths.partials + "/" + name) }
        for name in try names(paths.locks) where name != "store" {
            unlink(paths.locks + "/" + name)
        }
    }

    /// As `Files.writeAtomically` names what it has not finished.
    private static func isUnfinished(_ name: String) -> Bool { name.contains(".new-") }

    private func putAside(_ path: String) throws(ImageError) {
        let name = RootedPath.split(path).name
        let aside = "\(paths.staging)/\(Self.removed)\(name)-\(UInt32.random(in: 0 ... .max))"
        guard Raw.renameDirectory(path, aside) else {
            throw ImageError(system: SystemError.last("rename", path), "remove \(name.prefix(12))")
        }
    }

    private func names(_ directory: String) throws(ImageError) -> [String] {
        do throws(SystemError) {
            return try Files.names(in: directory)
        } catch {
            throw ImageError(system: error, "list \(directory)")
        }
    }
}

/// flock(2) of the whole store; ends when it goes.
private final class ExclusiveLock: Sendable {
    private let lock: FileLock
    init(_ lock: consuming FileLock) { self.lock = lock }
}

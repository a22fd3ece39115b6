internal import Glibc
internal import LinuxSystem
internal import OCISpec

/// What a removal freed.
public struct RemovalSummary: Sendable, Hashable, Codable {
    public var blobs: Int
    public var layers: Int
    /// Bytes of the blobs.
    public var bytes: Int64
    /// References of which it is not known what they need: because of them nothing was dropped.
    public var damaged: [String] = []
}

extension ImageStore {
    /// Forgets a reference, with what jobs pinned of it, and drops every blob and layer that no other one needs. Waits for pulls to end. Blocks.
    ///
    /// A layer that a running container has mounted goes with the rest: end the tasks first.
    public func remove(_ reference: String) throws(ImageError) -> RemovalSummary {
        let name = try key(reference)
        var names = references.all().records.map(\.reference).filter { Self.isPin($0, of: name) }
        if references.has(name) { names.append(name) }
        guard !names.isEmpty else {
            throw ImageError(
                .notFound, "remove", name, "it is not in the store",
                hint: "martlet image ls shows what is")
        }
        let lock = try exclusive()
        defer { withExtendedLifetime(lock) {} }
        for name in names { try references.remove(name) }
        return try dropUnreferenced()
    }

    /// Whether a record is of the tag `name` at one digest.
    static func isPin(_ record: String, of name: String) -> Bool {
        // A path is no reference.
        guard let parsed = try? ImageReference(record), parsed.digest != nil, parsed.tag != nil
        else { return false }
        return parsed.withoutDigest.description == name
    }

    private func exclusive() throws(ImageError) -> ExclusiveLock {
        do throws(SystemError) {
            try paths.make(form)
            return ExclusiveLock(try FileLock.wait(paths.storeLock))
        } catch {
            throw ImageError(system: error, "lock the image store")
        }
    }

    private func dropUnreferenced() throws(ImageError) -> RemovalSummary {
        var keepBlobs: Set<String> = []
        var keepLayers: Set<String> = []
        var summary = RemovalSummary(blobs: 0, layers: 0, bytes: 0)
        let all = references.all()
        summary.damaged = all.damaged + all.records.filter { known($0) == nil }.map(\.reference)
        guard summary.damaged.isEmpty else { return summary }
        for record in all.records {
            keepBlobs.formUnion([record.manifest.hex, record.resolved.hex])
            // Other platforms of an index, where it was loaded with all of them.
            keepBlobs.formUnion(parts(of: record.resolved).map(\.hex))
            guard let image = known(record) else { continue }
            keepBlobs.insert(image.manifest.config.digest.hex)
            keepBlobs.formUnion(image.manifest.layers.map(\.digest.hex))
            for index in image.diffIDs.indices {
                keepLayers.formUnion(LayerStore.keys(image.diffIDs, index).map(\.hex))
            }
        }
        for name in try names(paths.blobs) where !keepBlobs.contains(name) {
            var status = stat()
            let path = paths.blobs + "/" + name
            if stat(path, &status) == 0, unlink(path) == 0 {
                summary.blobs += 1
                summary.bytes += Int64(status.st_size)
            }
        }
        for name in try names(paths.layers(form))
        where !keepLayers.contains(String(name.prefix(64))) {
            try removeLayer(name, &summary)
        }
        for name in try names(paths.partials) { unlink(paths.partials + "/" + name) }
        for name in try names(paths.locks) where name != "store" {
            unlink(paths.locks + "/" + name)
        }
        return summary
    }

    /// First out of the way under its name, so that one removed by half never looks complete.
    private func removeLayer(_ name: String, _ summary: inout RemovalSummary) throws(ImageError) {
        let path = paths.layers(form) + "/" + name
        if name.hasSuffix(".unsynced") {
            unlink(path)
            return
        }
        let aside = paths.staging + "/removed-" + name
        guard Raw.renameDirectory(path, aside) else {
            throw ImageError(
                system: SystemError.last("rename", path), "remove layer \(name.prefix(12))")
        }
        summary.layers += 1
        do throws(LayerError) {
            try TreeRemoval.remove(path: aside)
        } catch {
            throw error.imageError(layer: String(name.prefix(12)))
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

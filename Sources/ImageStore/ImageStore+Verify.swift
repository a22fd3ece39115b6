internal import Glibc
internal import Layers
internal import LinuxSystem
internal import OCISpec

/// Something of the store that is not what it was.
public struct StoreDamage: Sendable, Hashable, Codable {
    public enum Part: String, Sendable, Codable { case reference, document, blob, layer }
    public var part: Part
    /// Digest, or the path of a record that cannot be read.
    public var subject: String
    public var reason: String
    /// The image that it was found of; empty where nobody knows.
    public var image: String
}

/// What a verification looked at, and what it found.
public struct VerifySummary: Sendable, Hashable, Codable {
    public var images = 0
    public var blobs = 0
    public var layers = 0
    /// Bytes that were read.
    public var bytes: Int64 = 0
    public var damage: [StoreDamage] = []
}

extension ImageStore {
    /// Reads every blob and every layer of the images (nil: of all) and compares them with their digests and with what was written
    /// down when the archives were unpacked. What is damaged is put aside or marked, where the store can be written to, so that
    /// it is brought in anew by the next pull. Blocks; takes as long as reading all of it.
    public func verify(
        _ names: [String]? = nil, progress: (String) -> Void = { _ in }
    ) throws(ImageError) -> VerifySummary {
        var verification = Verification(self)
        var records: [ReferenceRecord] = []
        if let names {
            for name in names { records.append(try record(name)) }
        } else {
            let all = references.all()
            records = all.records
            for path in all.damaged { verification.report(.reference, path, "it cannot be read") }
        }
        for record in records {
            progress(record.reference)
            verification.check(record)
        }
        return verification.summary
    }

    private func record(_ name: String) throws(ImageError) -> ReferenceRecord {
        let name = try key(name)
        guard let record = references.get(name) else {
            let isDamaged = references.has(name)
            throw ImageError(
                isDamaged ? .corrupt : .notFound, "verify", name,
                isDamaged ? "what it means cannot be read" : "it is not in the store",
                hint: isDamaged
                    ? "martlet image pull \(name)" : "martlet image ls shows what is")
        }
        return record
    }
}

/// Looks at each blob and layer once, however many images share it.
private struct Verification {
    private let store: ImageStore
    private(set) var summary = VerifySummary()
    private var seen: Set<String> = []
    private var image = ""

    init(_ store: ImageStore) { self.store = store }

    mutating func report(_ part: StoreDamage.Part, _ subject: String, _ reason: String) {
        summary.damage.append(
            StoreDamage(part: part, subject: subject, reason: reason, image: image))
    }

    mutating func check(_ record: ReferenceRecord) {
        image = record.reference
        defer { image = "" }
        summary.images += 1
        checkDocument(record.resolved)
        checkDocument(record.manifest)
        guard let known = store.known(record) else {
            // The manifest itself is told of already where it is damaged.
            guard let bytes = store.blobs.document(record.manifest),
                case .manifest(let manifest)? = try? ManifestDocument(bytes)
            else { return }
            return checkDocument(manifest.config.digest)
        }
        checkDocument(known.manifest.config.digest)
        for index in known.diffIDs.indices {
            checkBlob(known.manifest.layers[index], isExpected: !record.reference.hasPrefix("/"))
            checkLayer(known, index)
        }
    }

    private mutating func checkDocument(_ digest: Digest) {
        guard seen.insert("document \(digest)").inserted else { return }
        summary.blobs += 1
        guard let bytes = store.blobs.document(digest) else {
            let isHere = Files.exists(store.paths.blob(digest))
            return report(
                .document, digest.description, isHere ? "its content is another" : "it is missing")
        }
        summary.bytes += Int64(bytes.count)
    }

    /// An image that was read from a path keeps no blobs.
    private mutating func checkBlob(_ descriptor: Descriptor, isExpected: Bool) {
        let digest = descriptor.digest
        guard seen.insert("blob \(digest)").inserted else { return }
        let file = open(store.paths.blob(digest), O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            if isExpected { report(.blob, digest.description, "it is missing") }
            return
        }
        defer { close(file) }
        summary.blobs += 1
        do throws(LayerError) {
            let (found, size) = try ImageStore.digest(of: file)
            summary.bytes += size
            if found == digest { return }
            let isLong = size == descriptor.size
            report(
                .blob, digest.description,
                isLong ? "its content is another" : "it has \(size) of \(descriptor.size) bytes")
        } catch {
            report(.blob, digest.description, error.reason)
        }
        store.putAside(blob: digest, file)
    }

    private mutating func checkLayer(_ image: ResolvedImage, _ index: Int) {
        let diffID = image.diffIDs[index]
        guard let layer = store.layers.find(image.diffIDs, index) else {
            guard seen.insert("layer \(LayerStore.boundKey(image.diffIDs[...index]))").inserted
            else { return }
            let reason = store.layers.doubt(image.diffIDs, index)
            return report(.layer, diffID.description, reason ?? "it is not unpacked")
        }
        guard seen.insert(layer).inserted else { return }
        summary.layers += 1
        do throws(LayerError) {
            guard let list = store.layers.list(of: layer) else {
                report(
                    .layer, diffID.description, "the list of what it holds is missing or damaged")
                return store.distrust(layer)
            }
            let actual = try LayerList(of: layer, form: store.form)
            summary.bytes += actual.bytes
            let (first, count) = list.differences(from: actual)
            if count == 0 { return }
            let more = count > first.count ? " and \(count - first.count) more" : ""
            report(.layer, diffID.description, first.joined(separator: ", ") + more)
        } catch {
            report(.layer, diffID.description, error.at(Array(layer.utf8)).reason)
        }
        store.distrust(layer)
    }
}

extension ImageStore {
    // Where the store cannot be written to, telling of the damage has to do.

    fileprivate func distrust(_ layer: String) { try? layers.distrust(layer) }

    /// `file` is what was found damaged: a pull may have put a good one in its place meanwhile.
    fileprivate func putAside(blob digest: Digest, _ file: Int32) {
        var (mine, now) = (stat(), stat())
        guard fstat(file, &mine) == 0, stat(paths.blob(digest), &now) == 0,
            mine.st_ino == now.st_ino, mine.st_dev == now.st_dev
        else { return }
        rename(paths.blob(digest), paths.damaged(digest))
    }
}

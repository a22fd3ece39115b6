internal import FoundationEssentials
internal import Glibc
internal import LinuxSystem
package import OCISpec

/// What a reference meant when it was last brought in.
package struct ReferenceRecord: Codable, Sendable, Hashable {
    /// Normalised.
    package var reference: String
    /// Digest of the image's own manifest, of the one platform.
    package var manifest: Digest
    /// Digest that the registry has for the reference: the index's where there is one.
    package var resolved: Digest
    /// Milliseconds since 1970.
    package var created: Int64
    /// Size and time of the file that it was read from, where it was one: another file is read again.
    package var origin: String?

    package init(
        reference: String, manifest: Digest, resolved: Digest, created: Int64, origin: String? = nil
    ) {
        self.reference = reference
        self.manifest = manifest
        self.resolved = resolved
        self.created = created
        self.origin = origin
    }
}

/// One small file per reference, named by the digest of its text.
package struct ReferenceStore: Sendable {
    let paths: StorePaths
    package init(paths: StorePaths) { self.paths = paths }

    private func path(_ reference: String) -> String {
        paths.references + "/" + digestOf(reference.utf8).hex
    }

    package func get(_ reference: String) -> ReferenceRecord? { read(path(reference)) }

    private func read(_ path: String) -> ReferenceRecord? {
        // A record that cannot be read is as good as none: the registry is asked again.
        guard let bytes = try? Files.read(path) else { return nil }
        return try? JSONDecoder().decode(ReferenceRecord.self, from: Data(bytes))
    }

    package func put(_ record: ReferenceRecord) throws(ImageError) {
        guard let bytes = try? DocumentEncoder.bytes(record) else {
            throw ImageError(.system, "remember", record.reference, "it cannot be encoded")
        }
        do throws(SystemError) {
            try Files.writeAtomically(path(record.reference), bytes)
        } catch {
            throw ImageError(system: error, "remember \(record.reference)")
        }
    }

    package func remove(_ reference: String) throws(ImageError) {
        if unlink(path(reference)) != 0, errno != ENOENT {
            throw ImageError(system: SystemError.last("unlink", reference), "remove \(reference)")
        }
    }

    /// Notes that it was used just now. A store that cannot be written to forgets nothing by it.
    package func touch(_ reference: String) { utimensat(AT_FDCWD, path(reference), nil, 0) }

    /// When it was last used or brought in, in milliseconds since 1970; 0 where it is not here.
    package func lastUse(_ reference: String) -> Int64 {
        var status = stat()
        guard stat(path(reference), &status) == 0 else { return 0 }
        return Int64(status.st_mtim.tv_sec) * 1000 + Int64(status.st_mtim.tv_nsec) / 1_000_000
    }

    package func has(_ reference: String) -> Bool { Files.exists(path(reference)) }

    /// Every record, by reference, and the paths of those that cannot be read.
    package func all() -> (records: [ReferenceRecord], damaged: [String]) {
        // No directory yet, no records.
        let names = (try? Files.names(in: paths.references)) ?? []
        var records: [ReferenceRecord] = []
        var damaged: [String] = []
        for name in names where Digest(hex: name) != nil {
            let path = paths.references + "/" + name
            if let record = read(path) { records.append(record) } else { damaged.append(path) }
        }
        return (records.sorted { $0.reference < $1.reference }, damaged)
    }
}

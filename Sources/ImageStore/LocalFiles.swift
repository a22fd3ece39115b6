internal import Glibc
internal import Layers
internal import LinuxSystem
internal import OCISpec

/// The directory of an OCI layout, or of an archive that was unpacked to be read.
final class LocalFiles: Sendable {
    private let root: OwnedFD
    /// For people.
    private let path: String
    /// Whether its links are the user's own and may lead anywhere. Those of an archive were made by whoever wrote it, and lead
    /// nowhere outside of it.
    private let isOwn: Bool

    init(_ path: String, isOwn: Bool) throws(ImageError) {
        do throws(SystemError) {
            root = try OwnedFD.open(path, O_RDONLY | O_DIRECTORY)
        } catch {
            throw ImageError(system: error, "read \(path)")
        }
        self.path = path
        self.isOwn = isOwn
    }

    /// A regular file, open for reading; nothing else is read.
    func open(_ name: String) throws(ImageError) -> OwnedFD {
        do throws(SystemError) {
            // O_NONBLOCK: a FIFO would wait for its writer, perhaps for ever.
            let flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC
            let file: OwnedFD
            if isOwn {
                file = try OwnedFD.openAt(root.raw, name, flags)
            } else {
                file = try RootedPath.open(root: root.raw, name, flags)
            }
            var status = stat()
            try checkErrno(fstat(file.raw, &status), "stat", name)
            guard status.st_mode & S_IFMT == S_IFREG else {
                throw SystemError("read", name, errno: EINVAL, hint: "it is no regular file")
            }
            return file
        } catch {
            throw ImageError(system: error, "read \(path)")
        }
    }

    /// A document, whole.
    func read(_ name: String) throws(ImageError) -> [UInt8] {
        let file = try open(name)
        do throws(SystemError) {
            return try Files.read(file.raw, name, limit: OCISpec.documentLimit)
        } catch {
            throw ImageError(system: error, "read \(path)")
        }
    }

    /// Bytes of a regular file; nil where there is none.
    func size(_ name: String) -> Int64? {
        // What cannot be opened is as good as missing.
        guard let file = try? open(name) else { return nil }
        var status = stat()
        return fstat(file.raw, &status) == 0 ? Int64(status.st_size) : nil
    }

    func has(_ name: String) -> Bool {
        // What cannot be opened is as good as missing.
        (try? open(name)) != nil
    }
}

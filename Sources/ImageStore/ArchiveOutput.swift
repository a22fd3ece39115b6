internal import Glibc
internal import Layers
internal import LinuxSystem

/// Where an archive is written.
public enum ArchivePlace: Sendable, Hashable {
    case file(String)
    /// An open descriptor, such as a pipe; borrowed.
    case descriptor(Int32)
}

/// A file that gets its name once it is whole, or whatever a descriptor leads to.
final class ArchiveOutput {
    let descriptor: Int32
    private let path: String?
    private let temporary: String

    init(_ place: ArchivePlace) throws(ImageError) {
        switch place {
        case .descriptor(let descriptor):
            self.descriptor = descriptor
            path = nil
            temporary = ""
        case .file(let path):
            self.path = path
            temporary = path + ".new-\(getpid())"
            var status = stat()
            // A device or a pipe is written to as it is.
            let isFile = stat(path, &status) != 0 || status.st_mode & S_IFMT == S_IFREG
            descriptor =
                isFile
                ? open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
                : open(path, O_WRONLY | O_CLOEXEC)
            guard descriptor >= 0 else {
                throw ImageError(system: SystemError.last("open", path), "write \(path)")
            }
        }
    }

    /// Writes with `body`; nothing stays where it fails.
    func write(_ body: () throws(ImageError) -> Void) throws(ImageError) {
        do throws(ImageError) {
            try body()
            guard let path, Files.exists(temporary), rename(temporary, path) != 0 else { return }
            throw ImageError(system: SystemError.last("rename", path), "write \(path)")
        } catch {
            if path != nil { unlink(temporary) }
            throw error
        }
    }

    deinit { if path != nil { close(descriptor) } }
}

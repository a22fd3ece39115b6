import Glibc
import LinuxSystem

/// A directory of one test, gone with it.
final class Folder {
    let path: String

    init() throws {
        var template = Array("/tmp/martlet-trees-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError.last("mkdtemp") }
        path = String(
            decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { Self.remove(path) }

    func write(_ name: String, _ text: String) throws {
        try Files.writeAtomically(path + "/" + name, Array(text.utf8), durable: false)
    }

    func link(_ name: String, to target: String) throws {
        try checkErrno(symlink(target, path + "/" + name), "symlink", name)
    }

    func open() throws -> OwnedFD { try OwnedFD.open(path, O_RDONLY | O_DIRECTORY) }

    private static func remove(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        if status.st_mode & S_IFMT == S_IFDIR {
            chmod(path, 0o700)
            for name in (try? Files.names(in: path)) ?? [] { remove(path + "/" + name) }
            rmdir(path)
        } else {
            unlink(path)
        }
    }
}

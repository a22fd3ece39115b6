import Glibc
import LinuxSystem

/// A directory of one test, gone with it.
final class Folder {
    let path: String

    init(in parent: String = "/tmp") throws {
        var template = Array((parent + "/martlet-test-XXXXXX").utf8CString)
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

    static func remove(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        if status.st_mode & S_IFMT == S_IFDIR {
            for name in (try? Files.names(in: path)) ?? [] { remove(path + "/" + name) }
            rmdir(path)
        } else {
            unlink(path)
        }
    }
}

/// A directory of this whole process, gone when it exits.
struct ProcessFolder {
    let path = "/tmp/martlet-test-\(getpid())"

    init() {
        mkdir(path, 0o755)
        atexit { Folder.remove("/tmp/martlet-test-\(getpid())") }
    }
}

/// Asks until `condition` holds; false after ten seconds.
func eventually(_ condition: () throws -> Bool) rethrows -> Bool {
    let deadline = Clock.monotonic() + 10_000
    while Clock.monotonic() < deadline {
        if try condition() { return true }
        usleep(2000)
    }
    return false
}

enum LongTests {
    /// By `make test-long`.
    static let areRun = getenv("MARTLET_TEST_LONG") != nil
}

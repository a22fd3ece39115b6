import ContainerRuntime
import Glibc
import LinuxSystem

// martlet-runtime serve DIR: the launcher of one user, with its socket, journal, lock and mount point in DIR.
let arguments = CommandLine.arguments
let upperOnDisk = arguments.count == 4 && arguments[2] == "--upper-on-disk"
guard arguments.count == 3 || upperOnDisk, arguments[1] == "serve", let directory = arguments.last
else {
    note("usage: martlet-runtime serve [--upper-on-disk] DIR")
    exit(arguments.dropFirst().first == "--help" ? 0 : 2)
}
OwnedFD.closeAll(from: 3)

/// Nil where a launcher holds it that lives. Children of one that was killed hold it with it, until they notice.
func takeLock(_ directory: String) throws(SystemError) -> FileLock? {
    for _ in 0..<500 {
        if let lock = try FileLock.attempt(directory + "/launcher.lock") { return lock }
        if Launcher.serves(directory) { return nil }
        usleep(2000)
    }
    return nil
}

do {
    try Files.makePrivateDirectory(directory)
    guard let lock = try takeLock(directory) else {
        note("another launcher serves \(directory)")
        exit(3)
    }
    try lock.write("\(getpid())\n")
    try Launcher(directory: directory, upperOnDisk: upperOnDisk).run()
} catch {
    note("martlet-runtime: \(error)")
    exit(3)
}

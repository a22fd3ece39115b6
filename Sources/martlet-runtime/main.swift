import ContainerRuntime
import Glibc
import LinuxSystem

// martlet-runtime serve DIR: the launcher of one user, with its socket, journal, lock and mount point in DIR.
let arguments = CommandLine.arguments
guard arguments.count == 3, arguments[1] == "serve" else {
    note("usage: martlet-runtime serve DIR")
    exit(arguments.dropFirst().first == "--help" ? 0 : 2)
}
let directory = arguments[2]
OwnedFD.closeAll(from: 3)
do {
    try Files.makePrivateDirectory(directory)
    guard let lock = try FileLock.attempt(directory + "/launcher.lock") else {
        note("another launcher serves \(directory)")
        exit(3)
    }
    try lock.write("\(getpid())\n")
    let launcher = try Launcher(
        socket: directory + "/launcher.sock", journal: directory + "/launcher.journal",
        workDirectory: directory + "/mnt")
    try launcher.run()
} catch {
    note("martlet-runtime: \(error)")
    exit(3)
}

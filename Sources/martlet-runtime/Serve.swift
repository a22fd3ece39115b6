import ContainerRuntime
import Glibc
import LinuxSystem

/// `martlet-runtime serve [--upper-on-disk] DIR`: the launcher of one user, with its socket, journal, lock and mount point in DIR.
enum Serve {
    static func run(_ arguments: [String]) -> Int32 {
        let upperOnDisk = arguments.first == "--upper-on-disk"
        guard arguments.count == (upperOnDisk ? 2 : 1), let directory = arguments.last else {
            note("usage: martlet-runtime serve [--upper-on-disk] DIR")
            return 2
        }
        OwnedFD.closeAll(from: 3)
        do {
            try Files.makePrivateDirectory(directory)
            guard let lock = try takeLock(directory) else {
                note("another launcher serves \(directory)")
                return 3
            }
            try lock.write("\(getpid())\n")
            try Launcher(directory: directory, upperOnDisk: upperOnDisk).run()
            return 0
        } catch {
            note("martlet-runtime: \(error)")
            return 3
        }
    }

    /// Nil where a launcher holds it that lives. Children of one that was killed hold it with it, until they notice.
    private static func takeLock(_ directory: String) throws(SystemError) -> FileLock? {
        for _ in 0..<500 {
            if let lock = try FileLock.attempt(directory + "/launcher.lock") { return lock }
            if Launcher.serves(directory) { return nil }
            usleep(2000)
        }
        return nil
    }
}

import ContainerRuntime
import Glibc
import LinuxSystem

/// `martlet-runtime serve [--upper-on-disk] [--for PID] DIR`: the launcher of one user, with its socket, journal, lock and mount
/// point in DIR, for the agent of that pid.
enum Serve {
    static func run(_ arguments: [String]) -> Int32 {
        var words = arguments[...]
        let upperOnDisk = words.first == "--upper-on-disk"
        if upperOnDisk { words.removeFirst() }
        var agent: Int32?
        if words.count == 3, words.first == "--for", let pid = Int32(words[words.startIndex + 1]) {
            agent = pid
            words.removeFirst(2)
        }
        guard words.count == 1, let directory = words.first else {
            note("usage: martlet-runtime serve [--upper-on-disk] [--for PID] DIR")
            return 2
        }
        OwnedFD.closeAll(from: 3)
        // Killed meanwhile: what it asked for is of no use to anybody, nor the directory that it may have taken with it.
        if let agent, kill(agent, 0) < 0, errno == ESRCH { return 0 }
        do {
            try Files.makePrivateDirectory(directory)
            guard let lock = try takeLock(directory) else {
                note("another launcher serves \(directory)")
                return 3
            }
            try lock.write("\(getpid())\n")
            try Launcher(directory: directory, upperOnDisk: upperOnDisk, agent: agent).run()
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

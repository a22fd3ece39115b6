import Glibc
import LinuxSystem
import NodeAgent

// martlet-agent serve: the agent of one user on this node. martlet-agent stdio: a relay between its stdin and stdout and that
// agent, which it starts where it does not run; what `ssh node martlet-agent stdio` gives the head.
do {
    let directories = Directories.current()
    try Files.makePrivateDirectory(directories.run)
    switch CommandLine.arguments.dropFirst() {
    case ["serve"]:
        guard let lock = try FileLock.attempt(directories.run + "/agent.lock") else {
            note("another agent serves \(directories.run)")
            exit(3)
        }
        try lock.write("\(getpid())\n")
        let limit = try OpenFileLimit()
        let systemRoot = ProcessEnvironment.all()["MARTLET_SYSROOT"] ?? "/"
        let agent = try Agent(directories: directories, systemRoot: systemRoot) {
            () throws(SystemError) in
            try limit.asGiven { () throws(SystemError) in
                try Daemon.start(
                    [try Daemon.sibling("martlet-runtime"), "serve", directories.run],
                    log: directories.run + "/launcher.log")
            }
        }
        try agent.run()
    case ["stdio"]:
        try StdioRelay.run(directories)
    default:
        note("usage: martlet-agent serve | stdio")
        exit(CommandLine.arguments.dropFirst() == ["--help"] ? 0 : 2)
    }
} catch {
    note("martlet-agent: \(error)")
    exit(3)
}

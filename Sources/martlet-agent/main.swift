import Glibc
import ImageIntake
import LinuxSystem
import NodeAgent
import NodeLink
import TreeSync

// martlet-agent serve: the agent of one user on this node. martlet-agent stdio: a relay between its stdin and stdout and that
// agent, which it starts where it does not run; what `ssh node martlet-agent stdio` gives the head. hash and unpack are
// its installation; look says whether a file holds something, for an agent that must not wait for a file server; layers takes in one
// image for it, trees one directory.
let usage = """
    usage: martlet-agent serve [STATE DATA RUN CONFIG]
           martlet-agent stdio [NONCE BASE]
           martlet-agent hash
           martlet-agent unpack HASH DIRECTORY
           martlet-agent look PATH TOKEN
           martlet-agent layers STATE DATA RUN CONFIG
           martlet-agent trees STATE DATA RUN CONFIG
    """

func serve(_ directories: Directories) throws {
    try Files.makePrivateDirectory(directories.run)
    guard let lock = try FileLock.attempt(directories.run + "/agent.lock") else {
        note("another agent serves \(directories.run)")
        exit(3)
    }
    try lock.write("\(getpid())\n")
    Files.removeUnfinished(in: directories.run)
    let limit = try OpenFileLimit()
    let systemRoot = ProcessEnvironment.all()["MARTLET_SYSROOT"] ?? "/"
    let agent = try Agent(directories: directories, systemRoot: systemRoot) {
        () throws(SystemError) in
        try limit.asGiven { () throws(SystemError) in
            try Daemon.start(
                [
                    try Daemon.sibling("martlet-runtime"), "serve", "--for", "\(getpid())",
                    directories.run,
                ],
                log: directories.run + "/launcher.log")
        }
    }
    try agent.run()
}

func relay(_ directories: Directories, greeting: String = "") throws {
    try Files.makePrivateDirectory(directories.run)
    try StdioRelay.run(directories, greeting: greeting)
}

do {
    let words = Array(CommandLine.arguments.dropFirst())
    switch (words.first, words.count) {
    case ("serve", 1): try serve(.current())
    case ("serve", 5):
        try serve(Directories(state: words[1], data: words[2], run: words[3], config: words[4]))
    case ("stdio", 1): try relay(.current())
    case ("stdio", 3):
        try relay(NodeDirectories.below(words[2]), greeting: "\n\(words[1]) ready\n")
    case ("hash", 1):
        let own = try Daemon.sibling("martlet-agent")
        print(try AgentBundle(in: RootedPath.split(own).parent).hash)
    case ("unpack", 3): try AgentBundle.unpack(hash: words[1], into: words[2])
    case ("layers", 5):
        try LayerIntake.run(
            Directories(state: words[1], data: words[2], run: words[3], config: words[4]),
            input: 0, output: 1, environment: ProcessEnvironment.all())
    case ("trees", 5):
        try TreeIntake.run(
            Directories(state: words[1], data: words[2], run: words[3], config: words[4]),
            input: 0, output: 1, environment: ProcessEnvironment.all())
    case ("look", 3):
        if SharedDirectory.isSame(words[1], words[2]) {
            print(SharedDirectory.answer, terminator: "")
        }
    default:
        note(usage)
        exit(words == ["--help"] ? 0 : 2)
    }
} catch {
    note("martlet-agent: \(error)")
    exit(3)
}

import ContainerRuntime
import Glibc
import LinuxSystem
import OCIRuntimeSpec

/// Runs another process in a container that runs.
enum Exec: Verb {
    static let name = "exec"
    static let failure: Int32 = 255
    static let grammar = Arguments.Grammar(
        flags: ["tty", "detach", "no-new-privs", "ignore-paused"],
        values: [
            "process", "user", "cwd", "env", "cap", "pid-file", "console-socket", "preserve-fds",
            "additional-gids", "apparmor", "process-label",
        ],
        letters: [
            "t": "tty", "d": "detach", "p": "process", "u": "user", "e": "env", "c": "cap",
            "g": "additional-gids",
        ], stopsAtWord: true, words: "ID COMMAND [ARGUMENT…]")

    static func run(_ arguments: Arguments, _ globals: Globals, _ log: inout RuntimeLog) throws
        -> Int32
    {
        guard let id = arguments.rest.first else { throw Usage("the container's id is missing") }
        let preserved = try Create.preserved(arguments)
        OwnedFD.closeAll(from: 3 + preserved)
        let home = try globals.home(id)
        var command = Array(arguments.rest.dropFirst())
        if command.first == "--" { command.removeFirst() }
        var process: ProcessSpec
        if let path = arguments["process"] {
            process = try ProcessSpec(json: try Files.read(path, limit: 1 << 24), name: path)
        } else {
            guard !command.isEmpty else { throw Usage("a command, or --process, is missing") }
            process = try home.spec().process ?? ProcessSpec()
            process.args = command
            process.terminal = false
            process.consoleSize = nil
        }
        try change(&process, arguments)
        var settings = ExecSettings(home: home, process: process)
        settings.pidFile = arguments["pid-file"]
        settings.consoleSocket = arguments["console-socket"]
        settings.preserved = preserved
        settings.isDetached = arguments.has("detach")
        settings.ignoresPause = arguments.has("ignore-paused")
        return try ContainerExecution.run(settings)
    }

    private static func change(_ process: inout ProcessSpec, _ arguments: Arguments) throws {
        if arguments.has("tty") { process.terminal = true }
        if arguments.has("no-new-privs") { process.noNewPrivileges = true }
        if let cwd = arguments["cwd"] { process.cwd = cwd }
        for variable in arguments.all("env") {
            guard variable.contains("="), !variable.hasPrefix("=") else {
                throw Usage("--env is NAME=VALUE, not \(variable)")
            }
            process.env.append(variable)
        }
        if let user = arguments["user"] { try setUser(user, &process) }
        for group in arguments.all("additional-gids").flatMap({ $0.split(separator: ",") }) {
            process.user.additionalGids.append(try id(group, "--additional-gids"))
        }
        for name in arguments.all("cap") {
            guard let mask = Capabilities.mask(named: name) else {
                throw Usage("--cap: \(name) is no capability")
            }
            var sets = process.capabilities ?? CapabilitiesSpec()
            // What a process has that is asked to have it; ambient ones where its user is not root.
            sets.bounding |= mask
            sets.effective |= mask
            sets.permitted |= mask
            if process.user.uid != 0 {
                sets.inheritable |= mask
                sets.ambient |= mask
            }
            process.capabilities = sets
        }
        if let profile = arguments["apparmor"] { process.apparmorProfile = profile }
        if let label = arguments["process-label"] { process.selinuxLabel = label }
    }

    /// UID[:GID], in digits alone: anything else taken for a number would be somebody else's (CVE-2026-30892).
    private static func setUser(_ text: String, _ process: inout ProcessSpec) throws(Usage) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count) else { throw Usage("--user is UID[:GID], not \(text)") }
        process.user.uid = try id(parts[0], "--user")
        if parts.count == 2 { process.user.gid = try id(parts[1], "--user") }
    }

    private static func id(_ text: Substring, _ option: String) throws(Usage) -> UInt32 {
        guard !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }),
            let number = UInt32(text), number != .max
        else { throw Usage("\(option): \(text) is no id") }
        return number
    }
}

import ContainerRuntime
import Glibc
import LinuxSystem

enum Create: Verb {
    static let name = "create"
    static let grammar = Arguments.Grammar(
        flags: ["no-pivot", "no-new-keyring", "no-subreaper"],
        values: ["bundle", "config", "pid-file", "console-socket", "preserve-fds"],
        letters: ["b": "bundle", "f": "config"], words: "ID")

    static func run(_ arguments: Arguments, _ globals: Globals, _ log: inout RuntimeLog) throws
        -> Int32
    {
        let settings = try settings(arguments, globals)
        let made = try ContainerCreation(settings, hold: .socket)
        for line in made.notes { log.debug(line) }
        return 0
    }

    /// What `create` and `run` share. Goes to the bundle, where hooks run, too.
    static func settings(_ arguments: Arguments, _ globals: Globals) throws -> BundleSettings {
        let id = try arguments.id()
        let listening = ListeningSockets.given()
        let preserved = try Self.preserved(arguments, after: listening?.count ?? 0)
        OwnedFD.closeAll(from: 3 + preserved)
        let console = try arguments["console-socket"].map(Self.absolute)
        let pidFile = try arguments["pid-file"].map(Self.absolute)
        let config = try arguments["config"].map(Self.absolute)
        let bundle = try Self.absolute(arguments["bundle"] ?? ".")
        try checkErrno(chdir(bundle), "bundle", bundle)
        var settings = BundleSettings(id: id, root: try absolute(globals.root), bundle: bundle)
        if let config { settings.config = config }
        settings.manager = globals.manager
        settings.pidFile = pidFile
        settings.consoleSocket = console
        settings.preserved = preserved
        settings.listening = listening
        settings.usesPivot = !arguments.has("no-pivot")
        settings.hasKeyring = !arguments.has("no-new-keyring")
        return settings
    }

    /// How many descriptors from 3 on are passed on: those of `--preserve-fds` come after the sockets of a service manager.
    static func preserved(_ arguments: Arguments, after listening: UInt32 = 0) throws(Usage)
        -> UInt32
    {
        let given: UInt32 = try arguments.number("preserve-fds") ?? 0
        let (asked, overflow) = given.addingReportingOverflow(listening)
        guard !overflow, asked < 1 << 16 else {
            throw Usage("--preserve-fds: \(asked) is too many")
        }
        // A number that nobody has taken would go to a descriptor of the runtime's own, and that into the container.
        for fd in 3..<3 + Int32(asked) where fcntl(fd, F_GETFD) < 0 {
            throw Usage("--preserve-fds: \(asked): descriptor \(fd) is not open")
        }
        return asked
    }

    static func absolute(_ path: String) throws(SystemError) -> String {
        if path.hasPrefix("/") { return path }
        var buffer = [CChar](repeating: 0, count: 4097)
        guard getcwd(&buffer, 4096) != nil else { throw SystemError.last("getcwd") }
        let directory = buffer.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        return path == "." ? directory : directory + "/" + path
    }
}

import CLinux
import Glibc
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// A bundle that a test spoils, and the command line that is to run it all the same, or to refuse it.
final class HostileBundle {
    struct Outcome {
        let status: Int32
        let output: String
        let errors: String
    }

    let runner: Runner
    let folder: Folder
    let image: TestImage
    /// What `spec` would write, without a terminal and with a writable root.
    var spec: RuntimeSpec
    /// Who starts the command line: a program with its arguments.
    var prefix: [String] = []
    /// Of the command line itself.
    var environment = ["PATH=/usr/bin:/bin"]
    private var made: [String] = []

    /// `owner` is whose the image is; nil means the runner.
    init(_ runner: Runner = Runner.possible[0], owner: UInt32? = nil) throws {
        self.runner = runner
        folder = try Folder()
        chmod(folder.path, 0o755)
        image = try TestImage(folder.path + "/rootfs", owner: owner ?? runner.uid)
        spec = .template(rootless: runner != .root, uid: runner.uid, gid: runner.uid)
        spec.root?.readonly = false
        spec.process?.terminal = false
        spec.process?.env = ["PATH=/bin"]
        try Files.makeDirectories(folder.path + "/state", mode: 0o700)
        chown(folder.path + "/state", runner.uid, runner.uid)
        try Files.makeDirectories(victim)
        chmod(victim, 0o777)
        try folder.write("victim/file", "untouched")
        chmod(victim + "/file", 0o666)
    }

    deinit {
        for id in made { _ = try? runtime("delete", "--force", id) }
    }

    // MARK: The victim

    /// A directory of the machine where everybody may write, and nobody in a container may get to.
    var victim: String { folder.path + "/victim" }
    /// The same as it is written in an image: climbing further than any root is deep.
    var climb: String { String(repeating: "../", count: 20) + victim.dropFirst() }

    var isVictimUntouched: Bool {
        get throws {
            try Files.names(in: victim) == ["file"]
                && Files.text(victim + "/file") == "untouched"
        }
    }

    /// What a neighbour does while a container is being made: a hook runs when the mounts are there and the root is not yet
    /// entered, in the container's mount namespace, where `$ROOT` is its root.
    func interfere(_ line: String) {
        var hook = HookSpec(path: "/bin/sh")
        // Without a root the line would mean the machine's.
        hook.args = ["sh", "-ec", ": ${ROOT:?} ${VICTIM:?}; " + line]
        hook.env = ["PATH=/usr/bin:/bin", "ROOT=\(image.path)", "VICTIM=\(victim)"]
        spec.hooks.createContainer = [hook]
    }

    // MARK: The command line

    /// Runs a shell line in a container of its own.
    func run(_ line: String) throws -> Outcome {
        try run(["sh", "-c", line])
    }

    func run(_ arguments: [String], _ options: [String] = [], given descriptors: [Int32] = [])
        throws -> Outcome
    {
        spec.process?.args = arguments
        return try runtime(["run"] + options + [try write()], given: descriptors)
    }

    /// A container that waits, and its id.
    func startSleeping(_ line: String = "exec sleep 100") throws -> String {
        spec.process?.args = ["sh", "-c", line]
        let id = try write()
        let outcome = try runtime(["run", "--detach", id])
        guard outcome.status == 0 else {
            throw SystemError("run", outcome.errors, errno: ECHILD)
        }
        return id
    }

    /// Writes the bundle and returns an id for it.
    func write() throws -> String {
        try Files.writeAtomically(
            folder.path + "/config.json", spec.json(), durable: false)
        let id = "hostile-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        made.append(id)
        return id
    }

    func runtime(_ words: String...) throws -> Outcome { try runtime(words) }

    /// `descriptors` become 3 and those that follow.
    func runtime(_ words: [String], given descriptors: [Int32] = []) throws -> Outcome {
        var command = [try LauncherUnderTest.executable.get(), "--root", folder.path + "/state"]
        command += words.prefix(1)
        if ["run", "create"].contains(words.first) { command += ["--bundle", folder.path] }
        command += words.dropFirst()
        if runner.uid != geteuid() {
            let id = "\(runner.uid)"
            command =
                ["/usr/bin/setpriv", "--reuid", id, "--regid", id, "--clear-groups"] + command
        }
        return try start(prefix + command, descriptors)
    }

    private func start(_ command: [String], _ descriptors: [Int32]) throws -> Outcome {
        let name = folder.path + "/said-\(UInt32.random(in: 0 ... .max))"
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        for (fd, end) in [(Int32(1), ".out"), (2, ".err")] {
            posix_spawn_file_actions_addopen(&actions, fd, name + end, O_WRONLY | O_CREAT, 0o666)
        }
        for (place, fd) in descriptors.enumerated() {
            posix_spawn_file_actions_adddup2(&actions, fd, Int32(place) + 3)
        }
        cl_spawn_close_from(&actions, 3 + Int32(descriptors.count))
        let pid = try Self.spawn(command, environment, &actions)
        var ended = cl_exit()
        try check(cl_wait(pid, true, &ended), "wait")
        return Outcome(
            status: ended.signalled ? 128 + ended.code : ended.code,
            output: try Files.text(name + ".out"), errors: try Files.text(name + ".err"))
    }

    /// Starts a program with every signal let through: threads of tests block most.
    static func spawn(
        _ command: [String], _ environment: [String] = [],
        _ actions: UnsafePointer<posix_spawn_file_actions_t>? = nil
    ) throws -> pid_t {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        let argv = command.map { strdup($0) } + [nil]
        let variables = environment.map { strdup($0) } + [nil]
        defer { for pointer in argv + variables { free(pointer) } }
        var pid: pid_t = 0
        try check(
            -posix_spawnp(&pid, command[0], actions, &attributes, argv, variables), "start",
            command[0])
        return pid
    }
}

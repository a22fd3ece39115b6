import CLinux
import Glibc
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// A bundle with a root of busybox, and the command line that runs it.
class TestBundle {
    struct Outcome {
        /// 128 + n where a signal n has ended the command line itself.
        let status: Int32
        let wasKilled: Bool
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
    /// What the ids of this process's containers begin with.
    static let idPrefix = "test-\(getpid())-"

    /// `owner` is whose the image is; nil means the runner.
    init(_ runner: Runner = Runner.possible[0], owner: UInt32? = nil) throws {
        self.runner = runner
        folder = try Folder()
        chmod(folder.path, 0o755)
        image = try TestImage(folder.path + "/rootfs", owner: owner ?? runner.uid)
        spec = .template(rootless: runner != .root, uid: runner.uid, gid: runner.uid)
        if case .subordinates(let user) = runner {
            spec.linux.uidMappings.append(
                IDMapping(containerID: 1, hostID: user.uids.first, size: user.uids.count))
            spec.linux.gidMappings.append(
                IDMapping(containerID: 1, hostID: user.gids.first, size: user.gids.count))
        }
        spec.root?.readonly = false
        spec.process?.terminal = false
        spec.process?.env = ["PATH=/bin"]
        try Files.makeDirectories(folder.path + "/state", mode: 0o700)
        chown(folder.path + "/state", runner.uid, runner.uid)
    }

    deinit {
        for id in made { _ = try? runtime("delete", "--force", id) }
    }

    // MARK: The document

    var process: ProcessSpec {
        get { spec.process ?? ProcessSpec() }
        set { spec.process = newValue }
    }

    var linux: LinuxSpec {
        get { spec.linux }
        set { spec.linux = newValue }
    }

    func mount(
        _ destination: String, _ type: String, _ source: String = "none", _ options: [String] = []
    ) {
        var mount = MountSpec(destination: destination)
        (mount.type, mount.source, mount.options) = (type, source, options)
        spec.mounts.append(mount)
    }

    // MARK: The command line

    /// Runs a shell line in a container of its own.
    func run(_ line: String) throws -> Outcome {
        try run(["sh", "-c", line])
    }

    /// All that it says, in one string to be compared.
    func said(_ line: String) throws -> String {
        let ended = try run(line)
        return ended.output + ended.errors
    }

    /// The error of a container that cannot be.
    func refusal(_ line: String = "true") throws -> String {
        let ended = try run(line)
        #expect(ended.status == 1 && ended.output == "")
        return ended.errors
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

    /// What is kept of a container.
    func record(_ id: String) throws -> ContainerRecord {
        try ContainerRecord(bytes: Files.read(folder.path + "/state/\(id)/record"))
    }

    /// What `state` prints.
    func state(_ id: String) throws -> ContainerState {
        try ContainerState(json: Array(runtime("state", id).output.utf8))
    }

    /// A file of a container's v1 cgroup, without white space at its ends.
    func cgroupFile(_ controller: String, _ name: String, of id: String) throws -> String {
        let directory = try #require(try record(id).cgroup["directory." + controller])
        return try Files.text(directory + "/" + name).split(whereSeparator: \.isNewline)
            .joined(separator: "; ")
    }

    /// Writes the bundle and returns an id for it.
    func write() throws -> String {
        try Files.writeAtomically(
            folder.path + "/config.json", spec.json(), durable: false)
        let id = Self.idPrefix + "\(UInt32.random(in: 0 ... .max))"
        made.append(id)
        return id
    }

    func runtime(_ words: String...) throws -> Outcome { try runtime(words) }

    /// `descriptors` become 3 and those that follow.
    func runtime(_ words: [String], given descriptors: [Int32] = []) throws -> Outcome {
        try begin(words, given: descriptors).end()
    }

    /// The same, and it goes on while the test does.
    func begin(_ words: [String], given descriptors: [Int32] = []) throws -> Running {
        var words = words
        if ["run", "create"].contains(words.first) {
            words.insert(contentsOf: ["--bundle", folder.path], at: 1)
        }
        return try begin(command: ["--root", folder.path + "/state"] + words, descriptors)
    }

    /// Without a bundle, which is to be among the words.
    func plain(_ words: [String]) throws -> Outcome {
        try command(["--root", folder.path + "/state"] + words)
    }

    /// These words and no others.
    func command(_ words: [String]) throws -> Outcome { try begin(command: words, []).end() }

    private func begin(command words: [String], _ descriptors: [Int32]) throws -> Running {
        let command = [try LauncherUnderTest.executable.get()] + words
        return try start(prefix + runner.becoming + command, descriptors)
    }

    struct Running {
        let pid: pid_t
        fileprivate let said: String

        func signal(_ number: Int32) { kill(pid, number) }

        /// What it has said until now.
        var output: String { (try? Files.text(said + ".out")) ?? "" }

        func end() throws -> Outcome {
            var ended = cl_exit()
            try check(cl_wait(pid, true, &ended), "wait")
            return Outcome(
                status: ended.signalled ? 128 + ended.code : ended.code,
                wasKilled: ended.signalled, output: try Files.text(said + ".out"),
                errors: try Files.text(said + ".err"))
        }
    }

    private func start(_ command: [String], _ descriptors: [Int32]) throws -> Running {
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
        return Running(pid: try Self.spawn(command, environment, &actions), said: name)
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

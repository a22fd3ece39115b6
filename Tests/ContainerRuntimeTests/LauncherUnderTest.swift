import CLinux
import Glibc
import LinuxSystem
import Testing

@testable import ContainerRuntime

/// Who runs the launcher, or the command line.
enum Runner: CustomTestStringConvertible, Equatable {
    case root
    /// A user that no file knows: no account, no subordinate ids.
    case ordinaryUser
    /// A user whom /etc/subuid and /etc/subgid grant some.
    case subordinates(SubordinateUser)

    var testDescription: String {
        switch self {
        case .root: "root"
        case .ordinaryUser: "ordinary user"
        case .subordinates: "ordinary user with subordinate ids"
        }
    }
    /// Those that this process can be.
    static let possible: [Runner] = geteuid() == 0 ? [.root, .ordinaryUser] : [.ordinaryUser]
    static let rootOnly: [Runner] = possible.filter { $0 == .root }
    /// Those, and a user with subordinate ids where the machine has one.
    static let everybody: [Runner] =
        possible + (geteuid() == 0 ? SubordinateUser.any.map { [.subordinates($0)] } ?? [] : [])
    static let ordinary: [Runner] = everybody.filter { $0 != .root }

    var uid: UInt32 {
        switch self {
        case .root: 0
        case .ordinaryUser: geteuid() == 0 ? 54321 : geteuid()
        case .subordinates(let user): user.uid
        }
    }

    /// Before a command, to run it as this user.
    var becoming: [String] {
        guard uid != geteuid() else { return [] }
        return ["/usr/bin/setpriv", "--reuid", "\(uid)", "--regid", "\(uid)", "--clear-groups"]
    }
}

/// An account that has subordinate ids, subuid(5), and a group of its own number.
struct SubordinateUser: Equatable {
    let uid: UInt32
    let uids: SubordinateRange
    let gids: SubordinateRange

    static let any: SubordinateUser? = {
        guard Files.exists("/usr/bin/newuidmap"), let accounts = try? Files.text("/etc/passwd"),
            let users = try? Files.text("/etc/subuid"), let groups = try? Files.text("/etc/subgid")
        else { return nil }
        return accounts.split(separator: "\n").lazy.compactMap { line -> SubordinateUser? in
            let fields = line.split(separator: ":", omittingEmptySubsequences: false)
            guard fields.count > 3, fields[2] == fields[3], let uid = UInt32(fields[2]), uid > 0,
                let uids = SubordinateRange.first(in: users, for: String(fields[0]), uid),
                let gids = SubordinateRange.first(in: groups, for: String(fields[0]), uid)
            else { return nil }
            return SubordinateUser(uid: uid, uids: uids, gids: gids)
        }.first
    }()
}

/// How a container ended, and what it said.
struct Ended {
    let exit: ContainerExit
    let output: String
    let errors: String
    /// The writable layer, where it was kept. Closed by nobody: a test process is short.
    let upper: Int32?
}

/// A launcher of its own for one test, spoken to as its agent speaks.
final class LauncherUnderTest {
    let folder: Folder
    let runner: Runner
    let image: TestImage
    private let options: [String]
    /// A program, with its arguments, that runs the launcher, and as whom this process is.
    private let prefix: [String]
    private let environment: [String]
    private(set) var pid: pid_t = 0
    private var socket: OwnedFD
    private var buffer = [UInt8](repeating: 0, count: 1 << 18)
    private var count = 0
    /// The near end of the terminal that came with the last start.
    private(set) var terminal: Int32?
    /// How the last process that was begun failed to start.
    private var failure: ContainerExit.Status?

    var directory: String { folder.path + "/run" }
    var journal: String { directory + "/launcher.journal" }

    init(
        _ runner: Runner, in parent: String = "/tmp", _ options: [String] = [],
        prefix: [String] = [], environment: [String] = []
    ) throws {
        self.runner = runner
        self.options = options
        self.prefix = prefix
        self.environment = environment + ["LAUNCHER_SECRET=1"]
        folder = try Folder(in: parent)
        chmod(folder.path, 0o755)
        image = try TestImage(folder.path + "/image", owner: runner.uid)
        try Files.makeDirectories(folder.path + "/run", mode: 0o700)
        // The journal's name is the socket's neighbour; both are the runner's.
        if runner.uid != geteuid() { chown(folder.path + "/run", runner.uid, runner.uid) }
        pid = try Self.serve(runner, folder, options, prefix, self.environment)
        socket = try Self.connect(pid, runner, folder)
        guard case .hello = try receive().event else {
            throw SystemError("start", "launcher: no hello", errno: EPROTO)
        }
    }

    deinit {
        // A launcher takes its containers with it.
        if pid > 0 {
            kill(pid, SIGTERM)
            Self.reap(pid)
        }
    }

    private static func serve(
        _ runner: Runner, _ folder: Folder, _ options: [String], _ prefix: [String],
        _ environment: [String]
    ) throws -> pid_t {
        let program = try executable.get()
        let command =
            prefix + runner.becoming + [program, "serve"] + options + [folder.path + "/run"]
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        let log = folder.path + "/log"
        for fd in [Int32(1), 2] {
            posix_spawn_file_actions_addopen(
                &actions, fd, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        }
        let argv = command.map { strdup($0) } + [nil]
        defer { for pointer in argv { free(pointer) } }
        let variables = environment.map { strdup($0) } + [nil]
        defer { for pointer in variables { free(pointer) } }
        var pid: pid_t = 0
        try check(-posix_spawnp(&pid, command[0], &actions, nil, argv, variables), "start", program)
        return pid
    }

    /// Waits until the launcher listens.
    private static func connect(_ pid: pid_t, _ runner: Runner, _ folder: Folder) throws -> OwnedFD
    {
        let deadline = Clock.monotonic() + 10_000
        while true {
            let result = asRunner(runner, folder.path + "/run/launcher.sock") {
                cl_unix_connect($0, Int32(SOCK_SEQPACKET.rawValue))
            }
            if result >= 0 { return OwnedFD(result) }
            var status: Int32 = 0
            guard Clock.monotonic() < deadline, waitpid(pid, &status, WNOHANG) == 0 else {
                let said = (try? Files.text(folder.path + "/log")) ?? ""
                throw SystemError("start", "launcher: \(said)", errno: -result)
            }
            usleep(1000)
        }
    }

    /// Makes a descriptor as the runner would: a launcher trusts nobody but its own user. The work is done by a process that
    /// shares this one's descriptors (CLONE_FILES) and allocates nothing, since this process has threads.
    private static func asRunner(
        _ runner: Runner, _ path: String, _ make: (UnsafePointer<CChar>) -> Int32
    ) -> Int32 {
        guard runner.uid != geteuid() else { return path.withCString(make) }
        return path.withCString { path in
            let child = pid_t(cl_clone3(0x400, nil, -1))
            if child == 0 {
                guard cl_setresgid(runner.uid) == 0, cl_setresuid(runner.uid) == 0 else {
                    _exit(255)
                }
                let result = make(path)
                _exit(result >= 0 && result < 200 ? result : 255)
            }
            var ended = cl_exit()
            cl_wait(child, true, &ended)
            return ended.code == 255 ? -ECONNREFUSED : ended.code
        }
    }

    /// The built launcher, copied once to where every runner can reach it.
    static let executable = Result<String, any Error> {
        var parts = #filePath.split(separator: "/")
        parts.removeLast(3)
        let built = "/" + parts.joined(separator: "/") + "/.build/bin/martlet-runtime"
        chmod(executableFolder.path, 0o755)
        let copy = executableFolder.path + "/martlet-runtime"
        try Files.writeAtomically(
            copy, try Files.read(built, limit: 1 << 28), mode: 0o755, durable: false)
        return copy
    }
    private static let executableFolder = ProcessFolder()

    private static func reap(_ pid: pid_t) {
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
    }

    /// SIGKILL, and gone when this returns.
    func killLauncher() {
        kill(pid, SIGKILL)
        Self.reap(pid)
        pid = 0
    }

    /// Another launcher in the place of one that was killed; returns when it has greeted.
    func startAgain() throws {
        pid = try Self.serve(runner, folder, options, prefix, environment)
        while true {
            do {
                guard case .hello = try reconnect() else {
                    throw SystemError("start", "launcher: no hello", errno: EPROTO)
                }
                return
            } catch let error as SystemError where error.errno == ECONNRESET {
                // The socket of the dead one, which a child still held that died with it.
                continue
            }
        }
    }

    /// Waits in the kernel, and has not run since it was last looked at.
    var isAsleep: Bool {
        func ticks() -> [Substring] {
            // proc(5): utime and stime.
            let fields = ((try? Files.text("/proc/\(pid)/stat")) ?? "").split(separator: " ")
            return Array(fields.dropFirst(13).prefix(2))
        }
        let before = ticks()
        usleep(50_000)
        return ticks() == before
    }

    /// Drops the connection, as a dying agent does, and makes another. Returns the greeting.
    func reconnect() throws -> LauncherEvent {
        socket = try Self.connect(pid, runner, folder)
        return try receive().event
    }

    /// Says a last word and hangs up, without having read what the launcher said.
    func hangUp(after request: LauncherRequest) throws {
        try send(request)
        socket = try OwnedFD.open("/dev/null", O_RDWR)
    }

    /// Whether it ends by itself; then it is gone.
    func ends() -> Bool {
        var status: Int32 = 0
        let pid = pid
        guard eventually({ waitpid(pid, &status, WNOHANG) == pid }) else { return false }
        self.pid = 0
        return true
    }

    // MARK: Speaking

    func send(_ request: LauncherRequest, _ descriptors: [Int32] = []) throws {
        try LauncherWire.send(socket.raw, request.bytes, descriptors)
    }

    func sendRaw(_ bytes: [UInt8]) throws { _ = try UnixSocket.send(socket.raw, bytes) }

    /// Fails after ten seconds, or where the launcher has gone.
    func receive() throws -> (event: LauncherEvent, descriptor: Int32?) {
        var poller = pollfd(fd: socket.raw, events: Int16(POLLIN), revents: 0)
        guard poll(&poller, 1, 10_000) == 1 else {
            throw SystemError("receive", "launcher: silent", errno: ETIMEDOUT)
        }
        guard let (bytes, descriptors) = try LauncherWire.receive(socket.raw, &buffer) else {
            throw SystemError("receive", "launcher: gone", errno: EPIPE)
        }
        return (try LauncherEvent(bytes), descriptors.first)
    }

    /// Starts a container and returns its id; its outputs go to `out` and `err` of that name.
    @discardableResult
    func start(_ spec: ContainerSpec, _ rule: StopRule = StopRule(grace: 200)) throws -> String {
        count += 1
        let id = "7_\(count).1"
        try sendWithOutputs(.start(id: id, spec, rule), id)
        return id
    }

    /// Has it set up, to be released.
    func prepare(_ spec: ContainerSpec, _ rule: StopRule) throws -> String {
        count += 1
        let id = "7_\(count).1"
        try sendWithOutputs(.prepare(id: id, spec, rule), id)
        return id
    }

    /// Starts one under a name that was used before.
    func startAgain(_ id: String, _ spec: ContainerSpec) throws {
        try sendWithOutputs(.start(id: id, spec, StopRule(grace: 200)), id)
    }

    private func sendWithOutputs(_ request: LauncherRequest, _ id: String) throws {
        let flags = O_WRONLY | O_CREAT | O_TRUNC
        let out = try OwnedFD.open(folder.path + "/\(id).out", flags)
        let err = try OwnedFD.open(folder.path + "/\(id).err", flags)
        try send(request, [out.raw, err.raw])
    }

    /// Waits for the exit of `id`, passing over what is told of others.
    func finish(_ id: String, acknowledge: Bool = true) throws -> Ended {
        while true {
            let (event, descriptor) = try receive()
            guard case .exited(let exit) = event, exit.id == id else { continue }
            if acknowledge { try send(.acknowledge([id])) }
            return Ended(
                exit: exit, output: try Files.text(folder.path + "/\(id).out"),
                errors: try Files.text(folder.path + "/\(id).err"), upper: descriptor)
        }
    }

    /// Waits until `id` has run exec.
    @discardableResult
    func awaitStart(_ id: String) throws -> ContainerStart {
        while true {
            let told = try receive()
            switch told.event {
            case .started(let start) where start.id == id:
                terminal = told.descriptor
                return start
            case .exited(let exit) where exit.id == id:
                throw SystemError("start", "\(exit.status)", errno: ECHILD)
            default: continue
            }
        }
    }

    func output(_ id: String) throws -> String { try Files.text(folder.path + "/\(id).out") }

    func run(_ spec: ContainerSpec, _ rule: StopRule = StopRule(grace: 200)) throws -> Ended {
        try finish(try start(spec, rule))
    }

    /// Runs a shell line in the test image.
    func shell(_ line: String, _ change: (inout ContainerSpec) -> Void = { _ in }) throws -> Ended {
        try run(spec(line, change))
    }

    func spec(_ line: String, _ change: (inout ContainerSpec) -> Void = { _ in }) -> ContainerSpec {
        var spec = ContainerSpec(root: .layers([image.path]), arguments: ["sh", "-c", line])
        change(&spec)
        return spec
    }

    // MARK: Processes that join

    /// A container that only waits, with `marked` in /tmp/mark and the number of its process in /tmp/pid.
    func startSleeping(_ change: (inout ContainerSpec) -> Void = { _ in }) throws -> String {
        let line = "echo $$ > /tmp/pid; echo marked > /tmp/mark; exec sleep 100"
        let id = try start(spec(line, change))
        try awaitStart(id)
        let exec = ExecSpec(arguments: ["test", "-s", "/tmp/mark"])
        while try self.exec(exec, in: id).status != .code(0) {}
        return id
    }

    /// Returns the name of a process that runs, or failed to; its outputs go to `out` and `err` of that name.
    func beginExec(_ spec: ExecSpec, in container: String, _ stdio: [Int32]? = nil) throws -> String
    {
        count += 1
        let id = "exec\(count)"
        let flags = O_WRONLY | O_CREAT | O_TRUNC
        let null = try OwnedFD.open("/dev/null", O_RDONLY)
        let out = try OwnedFD.open(folder.path + "/\(id).out", flags)
        let err = try OwnedFD.open(folder.path + "/\(id).err", flags)
        try send(
            .exec(id: id, container: container, spec),
            stdio ?? (spec.terminal == nil ? [null.raw, out.raw, err.raw] : []))
        failure = nil
        while true {
            switch try receive() {
            case (.execStarted(id), let descriptor):
                terminal = descriptor
                return id
            case (.execEnded(id, let status), _):
                failure = status
                return id
            default: continue
            }
        }
    }

    func finishExec(_ id: String) throws -> ContainerExit.Status {
        if let failure { return failure }
        while true {
            if case .execEnded(id, let status) = try receive().event { return status }
        }
    }

    func exec(_ spec: ExecSpec, in container: String) throws
        -> (status: ContainerExit.Status, output: String, errors: String)
    {
        let id = try beginExec(spec, in: container)
        let status = try finishExec(id)
        return (status, try output(id), try Files.text(folder.path + "/\(id).err"))
    }

    /// Waits until a process of these arguments runs below the launcher.
    func awaitChild(_ arguments: String...) throws {
        let wanted = arguments.joined(separator: "\0") + "\0"
        let isThere = try eventually {
            try Files.names(in: "/proc").contains {
                // It may have just ended.
                (try? Files.text("/proc/\($0)/cmdline")) == wanted
            }
        }
        guard isThere else { throw SystemError("await", wanted, errno: ETIMEDOUT) }
    }
}

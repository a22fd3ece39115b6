internal import CLinux
internal import Glibc
internal import LinuxSystem
internal import Threads

/// Root of the user namespace in which an ordinary user has subordinate ids: `martlet-runtime files`, a process that does with files of
/// these what the user himself may not. Started when it is first needed; it ends with this process, or when nobody asks for
/// a while. Threads take turns.
final class NamespaceRoot: Sendable {
    /// This user's; nil for root, without a grant (subuid(5)), and where the runtime is not installed.
    static let shared: NamespaceRoot? = {
        guard geteuid() != 0, let ids = SubordinateIDs.ofThisUser(),
            let runtime = try? Daemon.sibling("martlet-runtime")
        else { return nil }
        return NamespaceRoot(ids, runtime: runtime)
    }()

    private enum Line {
        case none
        case open(Int32)
        /// A thread is talking.
        case busy
        /// The ids cannot be mapped after all.
        case refused
    }
    let ids: SubordinateIDs
    private let runtime: String
    private let line = Monitor(Line.none)

    init(_ ids: SubordinateIDs, runtime: String) {
        self.ids = ids
        self.runtime = runtime
    }

    deinit {
        if case .open(let socket) = line.quietly({ $0 }) { close(socket) }
    }

    /// False once it is known that the ids cannot be mapped here.
    var isGranted: Bool {
        line.quietly { if case .refused = $0 { false } else { true } }
    }

    /// Starts it where it does not run; false where the ids cannot be mapped.
    func prepare() -> Bool {
        let socket = take()
        let now = socket ?? (isGranted ? start() : nil)
        put(now)
        return now != nil
    }

    /// A request, and the descriptors that it is about.
    typealias Question = (request: FileRequest, descriptors: [Int32])
    /// What was opened belongs to the caller.
    typealias Answer = (reply: FileReply, opened: Int32?)

    /// Sends requests, a few dozen at most, and waits for all the answers: one by one each would cost two turns of the processor. Nil
    /// where there is nobody to ask.
    func ask(_ questions: [Question]) -> [Answer]? {
        guard var socket = take() ?? start() else {
            put(nil)
            return nil
        }
        do throws(SystemError) {
            do throws(SystemError) {
                try send(questions, socket)
            } catch {
                // It had waited long enough, and did not get the first one.
                guard error.errno == EPIPE, let again = start() else { throw error }
                close(socket)
                socket = again
                try send(questions, socket)
            }
            var answers: [Answer] = []
            for question in questions { answers.append(try receive(question.request, socket)) }
            put(socket)
            return answers
        } catch {
            // Whoever asks next starts another one; these fail as if there was none.
            close(socket)
            put(nil)
            return nil
        }
    }

    private func send(_ questions: [Question], _ socket: Int32) throws(SystemError) {
        for (request, descriptors) in questions {
            _ = try UnixSocket.send(socket, request.bytes, descriptors: descriptors)
        }
    }

    private func receive(_ request: FileRequest, _ socket: Int32) throws(SystemError) -> Answer {
        let size = request.call == .attribute ? FileRequest.limit : 64
        var buffer = [UInt8](repeating: 0, count: size)
        guard let answer = try UnixSocket.receive(socket, into: &buffer),
            let reply = FileReply(bytes: buffer[..<answer.count])
        else { throw SystemError("ask", "martlet-runtime files", errno: EPIPE) }
        return (reply, answer.descriptors.first)
    }

    /// The line, for this thread alone until `put`; nil where there is none yet.
    private func take() -> Int32? {
        line.wait { (line: inout Line) -> Int32?? in
            switch line {
            case .busy: return nil
            case .refused: return .some(nil)
            case .none:
                line = .busy
                return .some(nil)
            case .open(let socket):
                line = .busy
                return .some(socket)
            }
        }
    }

    private func put(_ socket: Int32?) {
        line.withLock { line in
            if case .refused = line { return }
            line = socket.map(Line.open) ?? .none
        }
    }

    /// This process's end; nil where it does not start. That the ids cannot be mapped is remembered.
    private func start() -> Int32? {
        guard isGranted else { return nil }
        do throws(SystemError) {
            return try spawn()
        } catch {
            if error.errno == EPERM { line.withLock { $0 = .refused } }
            return nil
        }
    }

    private func spawn() throws(SystemError) -> Int32 {
        let pair = try UnixSocket.pair(.messages)
        let numbers = [ids.users.first, ids.users.count, ids.groups.first, ids.groups.count]
        let argv = ([runtime, "files"] + numbers.map(String.init)).map { strdup($0) } + [nil]
        defer { for pointer in argv { free(pointer) } }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // The socket first: its own number may be one of these.
        posix_spawn_file_actions_adddup2(&actions, pair.second.raw, 3)
        for standard in 0..<Int32(3) {
            posix_spawn_file_actions_addopen(&actions, standard, "/dev/null", O_RDWR, 0)
        }
        cl_spawn_close_from(&actions, 4)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // A thread that blocks signals would have it block them, too.
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        // POSIX_SPAWN_SETSIGMASK of spawn.h.
        posix_spawnattr_setflags(&attributes, 0x08)
        var pid: pid_t = 0
        let failure = posix_spawn(&pid, runtime, &actions, &attributes, argv, cl_environ())
        guard failure == 0 else { throw SystemError("start", runtime, errno: failure) }
        var result = cl_exit()
        try check(cl_wait(pid, true, &result), "wait", runtime)
        guard result.code == 0, !result.signalled else {
            throw SystemError("map subordinate ids", "newuidmap", errno: EPERM)
        }
        return pair.release().first
    }
}

internal import ContainerRuntime
internal import Glibc
internal import JobModel
internal import LinuxSystem
internal import NodeLink

/// Who sits at processes of this node: at tasks themselves, and at commands beside them. None outlives the connection of the head
/// through which somebody sits there.
struct Sessions {
    /// By the number that the head gave each.
    var open: [Int64: Session] = [:]
    /// Names by which the launcher knows the commands.
    var names: [Int64: String] = [:]
    /// Of tasks that somebody is to sit at.
    var tasks: [AttemptID: Session] = [:]
    /// Who came before their task was started.
    var early: [AttemptID: Int64] = [:]
    fileprivate var last = 0

    /// The command that the launcher calls so.
    func named(_ name: String) -> Int64? { names.first { $0.value == name }?.key }
}

extension Agent {
    func openSession(_ id: Int64, _ attempt: AttemptID, _ request: SessionRequest) {
        guard sessions.open[id] == nil else { return }
        do throws(SystemError) {
            switch request.target {
            case .command(let command): try exec(id, in: attempt, command, request.interaction)
            case .port(let port): try connect(id, to: port, of: attempt)
            case .task: try sit(id, at: attempt)
            }
        } catch {
            refuse(id, error)
        }
    }

    func refuse(_ id: Int64, _ error: SystemError) {
        let subject = error.subject + (error.hint.map { " (\($0))" } ?? "")
        tell(id, .ended(.startFailure(step: error.step, subject: subject, errno: error.errno)))
    }

    private func sit(_ id: Int64, at attempt: AttemptID) throws(SystemError) {
        if let session = sessions.tasks[attempt] { return join(id, session) }
        guard live[attempt] != nil else {
            throw SystemError("sit at", "task \(attempt.task)", errno: ESRCH)
        }
        sessions.early[attempt] = id
    }

    func take(_ id: Int64, _ message: SessionInput) {
        if case .hangUp = message { return hangUp(id) }
        sessions.open[id]?.take(message)
    }

    func tell(_ id: Int64, _ message: SessionOutput) {
        session?.send(.session(id, message))
    }

    private func join(_ id: Int64, _ session: Session) {
        sessions.open[id] = session
        session.open { [unowned self] in self.tell(id, $0) }
    }

    private func hangUp(_ id: Int64) {
        sessions.early = sessions.early.filter { $0.value != id }
        if let name = sessions.names[id] {
            withLauncher { launcher throws(SystemError) in try launcher.hangUp(id: name) }
        }
        sessions.open[id]?.hangUp()
        sessions.open[id] = nil
    }

    /// The head has gone, and whoever sat behind it.
    func hangUpAll() {
        for id in Set(sessions.open.keys).union(sessions.early.values) { hangUp(id) }
    }

    // MARK: Commands beside a task

    private func exec(
        _ id: Int64, in attempt: AttemptID, _ command: SessionCommand, _ interaction: Interaction
    ) throws(SystemError) {
        guard let launcher, let task = live[attempt]?.task, live[attempt]?.started != nil,
            let template = templates.find(attempt.task.job)
        else {
            throw SystemError(
                "exec", "task \(attempt.task)", errno: ESRCH, hint: "it does not run on this node")
        }
        let planner = TaskPlanner(
            template: template, secrets: try Secrets.read(template.spec.secrets))
        let directories = TaskDirectories(job: template.directory, attempt: attempt)
        let spec = planner.command(
            command, beside: task, directories, interaction,
            try devices.grant(task.placement.gpus, isOnHost: planner.isOnHost))
        let session = Session(loop) { [unowned self] in
            self.sessions.open[id] = nil
            self.sessions.names[id] = nil
        }
        let pipes = try spec.terminal == nil ? ProcessPipes(stdin: interaction.stdin) : nil
        defer { pipes?.closeFar() }
        sessions.last += 1
        // Never the name of one that an earlier agent left behind.
        let name = "\(epoch)-\(sessions.last)"
        guard try launcher.exec(id: name, in: attempt.description, spec, pipes?.far ?? []) else {
            pipes?.closeNear()
            throw SystemError("exec", "task \(attempt.task)", errno: EAGAIN)
        }
        sessions.open[id] = session
        sessions.names[id] = name
        if let pipes {
            session.connect(
                input: pipes.stdin, [.init(.stdout, pipes.stdout), .init(.stderr, pipes.stderr)])
        }
    }

    /// Takes the terminal.
    func commandBegan(_ name: String, terminal: Int32?) {
        guard let id = sessions.named(name), let session = sessions.open[id] else {
            if let terminal { close(terminal) }
            return
        }
        if let terminal { session.connect(terminal: OwnedFD(terminal), log: nil) }
        session.open { [unowned self] in self.tell(id, $0) }
    }

    func commandEnded(_ name: String, _ status: ExitStatus) {
        guard let id = sessions.named(name), let session = sessions.open[id] else { return }
        if session.isAwaited {
            tell(id, .ended(status))
            session.close()
        } else {
            session.finish(status)
        }
    }

    /// The launcher has gone, and with it all that it knew of commands.
    func loseCommands() {
        for name in sessions.names.values {
            commandEnded(name, .lost("the connection to the launcher has ended"))
        }
    }

    // MARK: Tasks that somebody sits at

    /// Milliseconds that a task waits for whoever wants to sit at it.
    private static let attendancePatience: Int64 = 30_000

    /// The task has been handed over. Takes the near ends of its pipes where it has such.
    func awaitAttendance(_ attempt: AttemptID, _ pipes: ProcessPipes?, logs: [Int32]) {
        let session = Session(loop) { [unowned self] in
            let ended = self.sessions.tasks.removeValue(forKey: attempt)
            for (id, session) in self.sessions.open where session === ended {
                self.sessions.open[id] = nil
            }
        }
        sessions.tasks[attempt] = session
        if let pipes, logs.count == 2 {
            session.connect(
                input: pipes.stdin,
                [
                    .init(.stdout, pipes.stdout, log: logs[0]),
                    .init(.stderr, pipes.stderr, log: logs[1]),
                ])
        }
        if let id = sessions.early.removeValue(forKey: attempt) { join(id, session) }
        loop.after(Self.attendancePatience) { [weak session] in
            if let session, session.isAwaited { session.hangUp() }
        }
    }

    /// Takes the terminal of a task that has started.
    func taskHasTerminal(_ attempt: AttemptID, _ terminal: Int32) {
        let near = OwnedFD(terminal)
        guard let session = sessions.tasks[attempt],
            let template = templates.find(attempt.task.job)
        else { return }
        let path = TaskDirectories(job: template.directory, attempt: attempt).stdout
        // Without it the terminal is still one to sit at.
        let log = try? OwnedFD.open(path, O_WRONLY | O_APPEND | O_NOFOLLOW)
        session.connect(terminal: near, log: log?.release())
    }

    /// The task has ended, or never began.
    func taskEnded(_ attempt: AttemptID, _ status: ExitStatus) {
        if let id = sessions.early.removeValue(forKey: attempt) { tell(id, .ended(status)) }
        sessions.tasks[attempt]?.finish(status)
    }
}

/// Three pipes between a process and whoever sits at it. The ends belong to whoever was given them.
struct ProcessPipes {
    /// The process's: stdin, stdout, stderr.
    let far: [Int32]
    /// Nil: its stdin is /dev/null.
    let stdin: Int32?
    let stdout: Int32
    let stderr: Int32

    init(stdin hasInput: Bool) throws(SystemError) {
        let input: (reader: Int32, writer: Int32?) =
            if hasInput {
                try Self.pipe()
            } else {
                (try OwnedFD.open("/dev/null", O_RDONLY).release(), nil)
            }
        var opened = [input.reader, input.writer].compactMap { $0 }
        do throws(SystemError) {
            let output = try Self.pipe()
            opened += [output.reader, output.writer]
            let errors = try Self.pipe()
            far = [input.reader, output.writer, errors.writer]
            (stdin, stdout, stderr) = (input.writer, output.reader, errors.reader)
        } catch {
            for fd in opened { close(fd) }
            throw error
        }
    }

    private static func pipe() throws(SystemError) -> (reader: Int32, writer: Int32) {
        var ends: [Int32] = [-1, -1]
        try checkErrno(Glibc.pipe(&ends), "pipe")
        // One thread: nothing is executed in between.
        for fd in ends { _ = fcntl(fd, F_SETFD, FD_CLOEXEC) }
        return (ends[0], ends[1])
    }

    func closeFar() { for fd in far { close(fd) } }
    func closeNear() { for fd in [stdin, stdout, stderr].compactMap({ $0 }) { close(fd) } }
}

extension ExitStatus {
    init(_ status: ContainerExit.Status) {
        self =
            switch status {
            case .code(let code): .code(code)
            case .signal(let signal): .signal(signal)
            case .startFailure(let step, let subject, let errno):
                .startFailure(step: step, subject: subject, errno: errno)
            }
    }
}

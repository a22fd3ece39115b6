internal import ContainerRuntime
internal import FoundationEssentials
internal import Glibc
internal import JobModel
internal import LinuxSystem
internal import NodeLink

extension Agent {
    /// Makes the task's files and hands it to the launcher. False: it stays queued, since the disk is full.
    func start(_ task: RunTask) -> Bool {
        let id = task.attempt
        guard let template = templates[id.task.job] else {
            refuse(
                id, SystemError("start", "\(id)", errno: EINVAL, hint: "its job was not announced"))
            return true
        }
        do throws(SystemError) {
            let keeps = template.spec.retry.attempts > 1
            let directories = TaskDirectories(
                job: template.directory, attempt: id, keepsCheckpoint: keeps)
            let (stdout, stderr) = try Self.makeFiles(directories)
            defer {
                close(stdout)
                close(stderr)
            }
            let planner = TaskPlanner(
                template: template, secrets: try Self.readSecrets(template.spec.secrets))
            let spec = planner.container(for: task, directories: directories)
            guard let launcher else { return false }
            try launcher.start(
                id: id.description, spec, planner.stopRule, stdout: stdout, stderr: stderr)
            occupy(task)
            return true
        } catch {
            guard error.isDiskFull else {
                refuse(id, error)
                return true
            }
            hold("\(error): make room in \(template.directory)")
            loop.after(2000) { [unowned self] in
                self.hold(nil)
                self.pump()
            }
            return false
        }
    }

    func hold(_ reason: String?) {
        guard heldReason != reason else { return }
        heldReason = reason
        session?.send(.held(reason: reason))
    }

    private func refuse(_ id: AttemptID, _ error: SystemError) {
        let subject = error.subject + (error.hint.map { " (\($0))" } ?? "")
        var record = ExitRecord(
            attempt: id,
            status: .startFailure(step: error.step, subject: subject, errno: error.errno),
            ended: Timestamp(milliseconds: Clock.now()))
        record.started = nil
        live[id] = nil
        report(record)
    }

    /// Most often only the two inner directories are missing, so the common path is three calls of mkdir and two of open.
    private static func makeFiles(_ directories: TaskDirectories) throws(SystemError) -> (
        stdout: Int32, stderr: Int32
    ) {
        if mkdir(directories.attempt, 0o755) < 0, errno != EEXIST {
            try Files.makeDirectories(directories.attempt)
        }
        for directory in [directories.results, directories.checkpoint].compactMap({ $0 })
        where mkdir(directory, 0o755) < 0 && errno != EEXIST {
            throw SystemError.last("mkdir", directory)
        }
        let flags = O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW
        let stdout = try OwnedFD.open(directories.stdout, flags)
        let stderr = try OwnedFD.open(directories.stderr, flags)
        return (stdout.release(), stderr.release())
    }

    /// Read at the start of every task and kept nowhere.
    private static func readSecrets(_ sources: [String: SecretSource]) throws(SystemError)
        -> [String: String]
    {
        var secrets: [String: String] = [:]
        for (name, source) in sources {
            switch source {
            case .file(let path):
                var text = try Files.text(path)
                if text.last == "\n" { text.removeLast() }
                secrets[name] = text
            case .environment(let variable):
                guard let value = ProcessEnvironment.all()[variable] else {
                    throw SystemError(
                        "read secret \(name) from the environment", variable, errno: ENOENT)
                }
                secrets[name] = value
            }
        }
        return secrets
    }
}

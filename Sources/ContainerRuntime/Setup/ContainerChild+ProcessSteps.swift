internal import CLinux
internal import Glibc
internal import LinuxSystem
internal import OCIRuntimeSpec

// MARK: What the process of a bundle is

extension ContainerChild {
    mutating func perform(_ step: ProcessStep) throws(SystemError) {
        switch step {
        case .domainname(let name):
            try checkErrno(setdomainname(name, name.utf8.count), "domainname", name)
        case .sysctl(let name, let value): try setKernelParameter(name, value)
        case .oomScore(let score):
            try Self.write("/proc/self/oom_score_adj", "\(score)", "process.oomScoreAdj")
        case .scheduler(let spec): try setScheduler(spec)
        case .ioPriority(let spec):
            try check(
                cl_ioprio_set(spec.schedulingClass, spec.priority), "process.ioPriority",
                "class \(spec.schedulingClass), priority \(spec.priority)")
        case .personality(let domain):
            try check(cl_personality(domain), "linux.personality")
        case .memoryPolicy(let mode, let nodes):
            try check(MemoryPolicy.set(mode, nodes), "linux.memoryPolicy", "\(nodes)")
        case .sessionKeyring(let id): try joinKeyring(of: id)
        case .namespaceRoot(let setsGroups): try becomeNamespaceRoot(setsGroups)
        case .ownNull: ownNull()
        case .apparmor(let profile):
            try setLabel(
                ["attr/apparmor/exec", "attr/exec"], "exec " + profile, "process.apparmorProfile")
        case .selinux(let label): try setLabel(["attr/exec"], label, "process.selinuxLabel")
        case .cgroupNamespace:
            try check(cl_unshare(Namespace.cgroup), "linux.namespaces: unshare(cgroup)")
        case .timeNamespace(let offsets): try enterTime(offsets)
        case .hooks(let hooks, let field, let state):
            try Self.run(hooks, field: field, state: state, pid: getpid())
        case .arrive(let milestone): try arrive(milestone)
        case .requireProgram(let arguments, let environment):
            _ = try Self.executable(arguments, environment)
        case .awaitStart: try awaitStart()
        case .lookUpProgram(let arguments, let environment, let preserved, let listens):
            program = try lookUp(
                arguments, environment + (listens ? ["LISTEN_PID=\(getpid())"] : []),
                preserved: preserved, addsPath: false)
        }
    }

    static func run(_ hooks: [HookSpec], field: String, state: ContainerState, pid: pid_t)
        throws(SystemError)
    {
        var state = state
        state.pid = pid
        for (number, hook) in hooks.enumerated() {
            try HookRun(hook: hook, field: "\(field)[\(number)]").run(state: state.json())
        }
    }

    private static func write(_ path: String, _ text: String, _ field: String) throws(SystemError) {
        do throws(SystemError) {
            let file = try OwnedFD.open(path, O_WRONLY)
            try Files.writeAll(file.raw, text.utf8, path)
        } catch {
            throw SystemError(field, text, errno: error.errno)
        }
    }

    /// Through the machine's /proc, whose entries below sys are those of the namespaces that the writer is in; never through
    /// one that an image could have a hand in (CVE-2025-52881).
    private func setKernelParameter(_ name: String, _ value: String) throws(SystemError) {
        let field = "linux.sysctl.\(name)"
        let proc = try OwnedFD.open("/proc", RootedPath.openPath | O_DIRECTORY)
        guard try check(cl_filesystem_type_of(proc.raw), field, "/proc") == 0x9fa0 else {
            throw SystemError(field, "/proc", errno: EXDEV)
        }
        // sysctl(8): a slash where dots are part of a name, else dots.
        let path =
            name.contains("/")
            ? name : String(decoding: name.utf8.map { $0 == 0x2e ? 0x2f : $0 }, as: UTF8.self)
        do throws(SystemError) {
            let file = try RootedPath.openBeneath(proc.raw, "sys/" + path, O_WRONLY)
            try Files.writeAll(file.raw, value.utf8, path)
        } catch {
            throw SystemError(field, value, errno: error.errno)
        }
    }

    /// Only children enter it by themselves, and the offsets must be there before anybody does.
    private func enterTime(_ offsets: String) throws(SystemError) {
        let field = "linux.namespaces: time"
        try check(cl_unshare(Namespace.time), field)
        if !offsets.isEmpty {
            try Self.write("/proc/self/timens_offsets", offsets, "linux.timeOffsets")
        }
        let own = try OwnedFD.open("/proc/self/ns/time_for_children", O_RDONLY)
        try check(cl_setns(own.raw, Namespace.time), field)
    }

    private func setScheduler(_ spec: SchedulerSpec) throws(SystemError) {
        try check(
            cl_sched_setattr(
                spec.policy, spec.flags, spec.nice, spec.priority, spec.runtime, spec.deadline,
                spec.period), "process.scheduler", "policy \(spec.policy)")
    }

    /// Its caller's would show the container keys of the machine (keyrings(7)). A kernel without keys, and a filter around the
    /// runtime that keeps them from it, have none to show.
    private func joinKeyring(of id: String) throws(SystemError) {
        // linux/keyctl.h: KEYCTL_JOIN_SESSION_KEYRING and KEYCTL_SETPERM.
        let (join, setPermissions): (Int32, Int32) = (1, 5)
        let name = "_ses." + id
        let serial = name.withCString { cl_keyctl(join, UInt(bitPattern: $0), 0) }
        if serial == -ENOSYS || serial == -EPERM { return }
        try check(
            serial, "session keyring", name,
            hint: serial == -EDQUOT ? "sysctl kernel.keys.maxkeys; or --no-new-keyring" : nil
        )
        // keyctl_setperm(3): all for whoever has it; view, read, search and link for its user, whose other processes find it by
        // its name. Where that is refused they get one each.
        _ = cl_keyctl(setPermissions, UInt(serial), 0x3f1b_0000)
    }

    // MARK: Ids and labels

    private func becomeNamespaceRoot(_ setsGroups: Bool) throws(SystemError) {
        if setsGroups { try checkErrno(setgroups(0, nil), "setgroups") }
        try check(cl_setresgid(0), "setresgid", "0", hint: "linux.gidMappings has no id 0")
        try check(cl_setresuid(0), "setresuid", "0", hint: "linux.uidMappings has no id 0")
    }

    /// Written to the container's own /proc, which was checked to be the kernel's when it was mounted (CVE-2019-16884), and
    /// read back: a confinement that does not hold must not pass for one (CVE-2025-65105).
    private func setLabel(_ files: [String], _ text: String, _ field: String) throws(SystemError) {
        let proc = try ownProc(field)
        var failure = SystemError(field, text, errno: ENOENT)
        for name in files {
            do throws(SystemError) {
                // Itself, and nothing that a volume or a racing neighbour has mounted there (CVE-2025-52881).
                let file = try RootedPath.openBeneath(proc, "\(getpid())/" + name, O_RDWR)
                try Files.writeAll(file.raw, text.utf8, name)
                return try Self.confirm(file, text, field)
            } catch {
                failure = SystemError(field, text, errno: error.errno, hint: error.hint)
                if error.errno != ENOENT { break }
            }
        }
        throw failure
    }

    /// SELinux gives the label back, AppArmor `PROFILE (MODE)` for what was written as `exec PROFILE`.
    private static func confirm(_ file: borrowing OwnedFD, _ text: String, _ field: String)
        throws(SystemError)
    {
        try checkErrno(lseek(file.raw, 0, SEEK_SET), "lseek", field)
        let answer = String(decoding: try Files.read(file.raw, field), as: UTF8.self)
        let label = text.hasPrefix("exec ") ? text.dropFirst(5) : text[...]
        guard answer.hasPrefix(label) else {
            throw SystemError(
                field, text, errno: EPROTO, hint: "the kernel took it, and answers: \(answer)")
        }
    }

    /// The container's /proc as it was mounted, or, of one that was joined, as it is, if it is the kernel's.
    private func ownProc(_ field: String) throws(SystemError) -> Int32 {
        if proc >= 0 { return proc }
        let found = try RootedPath.open(
            root: root, "/proc", RootedPath.openPath | O_DIRECTORY, followLinks: false)
        guard try check(cl_filesystem_type_of(found.raw), field, "/proc") == 0x9fa0 else {
            throw SystemError(field, "/proc", errno: EXDEV, hint: "it is not the kernel's")
        }
        return found.release()
    }

    // MARK: Waiting

    /// One byte out, one in. The end of the connection means that the runtime has gone.
    private func arrive(_ milestone: ProcessStep.Milestone) throws(SystemError) {
        _ = try UnixSocket.send(status, [Told.arrived, milestone.rawValue])
        var answer = [UInt8](repeating: 0, count: 1)
        guard let (count, _) = try UnixSocket.receive(status, into: &answer), count == 1 else {
            _exit(127)
        }
    }

    /// Says that it is created, and takes the connection of `start`, whose end of it tells what becomes of exec. Where there
    /// is no such socket, the runtime stays and says when.
    private mutating func awaitStart() throws(SystemError) {
        guard startListener >= 0 else { return try arrive(.created) }
        _ = try UnixSocket.send(
            status, [Told.arrived, ProcessStep.Milestone.created.rawValue])
        close(status)
        while true {
            let connection = cl_accept(startListener)
            if connection == -EINTR { continue }
            try check(connection, "accept", "start")
            status = connection
            var word = [UInt8](repeating: 0, count: 1)
            guard let (count, _) = try? UnixSocket.receive(status, into: &word), count == 1 else {
                // Somebody who went away without a word: the next one may mean it.
                close(connection)
                continue
            }
            break
        }
        close(startListener)
    }
}

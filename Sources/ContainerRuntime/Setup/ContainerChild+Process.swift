internal import CLinux
internal import Glibc
internal import LinuxSystem

// MARK: What the process is and may do

extension ContainerChild {
    func setLimits(_ limits: [ContainerSpec.ResourceLimit]) throws(SystemError) {
        for limit in limits {
            var value = rlimit(rlim_cur: rlim_t(limit.soft), rlim_max: rlim_t(limit.hard))
            try checkErrno(
                setrlimit(__rlimit_resource_t(UInt32(limit.resource)), &value), "setrlimit",
                "\(limit.resource)")
        }
    }

    func setAffinity(_ cpus: [Int]) throws(SystemError) {
        let words = Self.affinityMask(cpus)
        try check(
            cl_sched_setaffinity(0, words, words.count), "sched_setaffinity",
            cpus.map(String.init).joined(separator: ","))
    }

    static func affinityMask(_ cpus: [Int]) -> [UInt64] {
        var words = [UInt64](repeating: 0, count: (cpus.max() ?? 0) / 64 + 1)
        for cpu in cpus { words[cpu / 64] |= 1 << UInt64(cpu % 64) }
        return words
    }

    /// As execve(2) takes them: null at the end, owned by nobody.
    static func pointers(_ words: [String]) -> [UnsafeMutablePointer<CChar>?] {
        words.map { strdup($0) } + [nil]
    }

    mutating func become(_ user: String, setGroups: Bool) throws(SystemError) {
        let account = try UserLookup(user, root: root)
        try become(
            account.uid, account.gid, setGroups ? account.groups + furtherGroups : nil)
        self.account = account
    }

    func become(_ uid: UInt32, _ gid: UInt32, _ groups: [UInt32]?) throws(SystemError) {
        if hasTerminal { try Console.handOver(0, to: uid) }
        if let groups { try checkErrno(setgroups(groups.count, groups), "setgroups") }
        let hint =
            groups != nil
            ? nil
            : "without subordinate ids (/etc/subuid) only root, which is you, exists in a container"
        try check(cl_setresgid(gid), "setresgid", "\(gid)", hint: hint)
        try check(cl_setresuid(uid), "setresuid", "\(uid)", hint: hint)
    }

    func keepOnly(_ keep: UInt64) throws(SystemError) {
        try check(
            cl_prctl(PR_CAP_AMBIENT, UInt(PR_CAP_AMBIENT_CLEAR_ALL), 0, 0, 0),
            "prctl(PR_CAP_AMBIENT)")
        let mask = geteuid() == 0 ? keep : 0
        try check(cl_capset(mask, mask, 0), "capset")
    }

    /// Made where the image lacks it, as Docker does: by the container's root, and before the root may become read-only.
    func makeWorkingDirectory(_ path: String) throws(SystemError) {
        do throws(SystemError) {
            _ = try RootedPath.makeDirectories(root: root, path)
        } catch {
            throw SystemError("chdir", path, errno: error.errno)
        }
    }

    /// The place where one then stands is looked at, since a working directory that leads out of the root is how
    /// CVE-2024-21626 began.
    func enter(_ path: String) throws(SystemError) {
        try checkErrno(chdir(path), "chdir", path)
        guard Self.standsWithinRoot() else {
            throw SystemError(
                "chdir", path, errno: EPERM, hint: "it lies outside the container's root")
        }
    }

    /// getcwd(2) answers without a leading slash where the directory cannot be reached from the root.
    static func standsWithinRoot() -> Bool {
        var buffer = [CChar](repeating: 0, count: 4096)
        return getcwd(&buffer, buffer.count) != nil && buffer[0] == 0x2f
    }

    func dieWithLauncher() throws(SystemError) {
        try check(cl_prctl(PR_SET_PDEATHSIG, UInt(SIGKILL), 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")
        // It may have died before that call.
        if let table, !table.isLauncherAlive { _exit(1) }
    }

    /// Splits in two: the task goes on as a child, and PID 1 stays here to reap and to pass signals on.
    func becomeInit() throws(SystemError) {
        var all = sigset_t()
        sigfillset(&all)
        sigprocmask(SIG_BLOCK, &all, nil)
        // PID 1 goes on in the launcher's program and memory, of which the container must see nothing: not dumpable, its
        // entries in /proc are closed to all without CAP_SYS_PTRACE (prctl(2), and CVE-2019-5736). Before there is anybody who
        // could look; the task's exec makes the child dumpable again.
        try check(cl_prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), "prctl(PR_SET_DUMPABLE)")
        Self.nameInit()
        let child = pid_t(try check(cl_clone3(0, nil, -1), "clone3", "init"))
        guard child != 0 else {
            sigprocmask(SIG_UNBLOCK, &all, nil)
            return
        }
        _ = cl_close_range(0, UInt32.max, 0)
        while true {
            var information = siginfo_t()
            let signal = sigwaitinfo(&all, &information)
            guard signal > 0 else { continue }
            guard signal == SIGCHLD else {
                // What was typed at a terminal has reached everybody in front of it; what else the kernel sends, a terminal
                // that goes away, comes to the leader of the session alone.
                let isTyped = information.si_code == Self.byKernel && signal != SIGHUP
                if !isTyped || !hasTerminal { kill(child, signal) }
                continue
            }
            var ended = cl_exit()
            while cl_wait(-1, false, &ended) > 0 {
                if ended.pid == child { _exit(ended.signalled ? 128 + ended.code : ended.code) }
            }
        }
    }

    /// What ps(1) in the container shows of PID 1: not the launcher's command line, with a path of the machine's.
    private static func nameInit() {
        "martlet-init".withCString { name in
            let words = CommandLine.unsafeArgv
            let room = words[0].map { strlen($0) } ?? 0
            for word in (0..<Int(CommandLine.argc)).compactMap({ words[$0] }) {
                memset(word, 0, strlen(word))
            }
            if let first = words[0] { memcpy(first, name, min(room, strlen(name))) }
            _ = cl_prctl(PR_SET_NAME, UInt(bitPattern: name), 0, 0, 0)
        }
    }

    /// asm-generic/siginfo.h, SI_KERNEL.
    private static let byKernel: Int32 = 0x80

    /// An executable with all that execve(2) takes, laid out where it takes it from.
    struct Program {
        let path: String
        let arguments: [UnsafeMutablePointer<CChar>?]
        let environment: [UnsafeMutablePointer<CChar>?]
    }

    /// Finds the program as execvp(3) would, and closes whatever is open, but for `preserved` descriptors from 3 on.
    /// What a task's environment lacks is filled in; of a bundle's, the home alone.
    func lookUp(
        _ arguments: [String], _ environment: [String], preserved: UInt32 = 0,
        addsPath: Bool = true
    ) throws(SystemError) -> Program {
        let program = try Self.executable(arguments, environment)
        var environment = environment
        if addsPath, Self.value("PATH", environment) == nil {
            environment.append("PATH=" + Self.usualPath)
        }
        if Self.value("HOME", environment) == nil { environment.append("HOME=" + home()) }

        // Not left to exec: an image may name its program by a path through them, /proc/self/fd/3/../../bin/sh, and a program
        // of the machine that runs in there can be written to by its root (CVE-2024-21626, CVE-2019-5736). The status socket
        // has to live until exec has succeeded.
        closeDescriptors(from: 3 + preserved, but: [status])
        return Program(
            path: program, arguments: Self.pointers(arguments),
            environment: Self.pointers(environment))
    }

    private static let usualPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    private static func value(_ name: String, _ environment: [String]) -> String? {
        environment.last { $0.hasPrefix(name + "=") }.map {
            String($0.dropFirst(name.utf8.count + 1))
        }
    }

    /// Where the program lies, for this process's user, by the environment's PATH.
    static func executable(_ arguments: [String], _ environment: [String]) throws(SystemError)
        -> String
    {
        guard let program = arguments.first, !program.isEmpty else {
            throw SystemError(
                "exec", "", errno: EINVAL, hint: "neither the spec nor the image names a command")
        }
        let path = value("PATH", environment) ?? usualPath
        let isPath = program.contains("/")
        var failure = ENOENT
        for place in isPath ? [program] : path.split(separator: ":").map({ "\($0)/\(program)" }) {
            let error = executionError(place)
            if error == 0 { return place }
            // As execvp(3): a file that may not be executed is remembered, a missing one is passed over.
            if error != ENOENT, error != ENOTDIR { failure = error }
        }
        throw SystemError(
            "exec", program, errno: failure,
            hint: failure == ENOENT
                ? (isPath ? "no such file in the image" : "not found in the image's PATH \(path)")
                : nil)
    }

    /// 0 where execve(2) may take this file.
    private static func executionError(_ path: String) -> Int32 {
        var status = stat()
        guard stat(path, &status) == 0 else { return errno }
        guard status.st_mode & S_IFMT == S_IFREG else { return EACCES }
        return access(path, X_OK) == 0 ? 0 : errno
    }

    /// From a filter's installation on there is no call but execve, unless it fails.
    func exec(_ arguments: [String], _ environment: [String]) throws(SystemError) {
        let program =
            if let found = self.program { found } else { try lookUp(arguments, environment) }
        execve(program.path, program.arguments, program.environment)
        let failure = errno
        throw SystemError(
            "exec", program.path, errno: failure,
            hint: failure == ENOENT
                ? "the file is there; its interpreter or loader is not in the image" : nil)
    }

    func confine(_ filter: SeccompFilter) throws(SystemError) {
        guard let listener = try filter.install() else { return }
        _ = try UnixSocket.send(status, [Told.listener], descriptors: [listener])
    }

    /// A bundle gives its user by number: the container's passwd file knows the home.
    private func home() -> String {
        if let account { return account.home }
        // Without a passwd file, or without such a user in it, there is none.
        return (try? UserLookup("\(geteuid())", root: root))?.home ?? "/"
    }
}

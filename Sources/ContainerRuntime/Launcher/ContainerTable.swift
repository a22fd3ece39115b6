internal import CLinux
internal import Glibc
internal import LinuxSystem

/// Which processes are a launcher's containers, in a file that outlives it. A launcher that follows a killed one ends what
/// still runs before it starts anything: PR_SET_PDEATHSIG alone is no promise, since the kernel clears it when a process
/// changes its ids, and any program may (prctl(2)).
///
/// The file is mapped, and the kernel itself writes a child's pid into it before the child runs: there is no moment at which
/// a container lives and is not in it, and no system call is spent on it.
final class ContainerTable {
    /// Boot-clock ticks around the clone, as proc(5) gives start times: a pid alone may be somebody else's by now.
    private struct Entry {
        var pid: pid_t
        var from: Int64
        /// 0 until the clone has returned.
        var to: Int64
    }

    /// Containers at one time.
    static let capacity = 4096
    private static let size = capacity * MemoryLayout<Entry>.stride

    private let file: OwnedFD
    private let entries: UnsafeMutablePointer<Entry>
    private var free: [Int] = []
    private var used = 0

    /// Ends every container that the file at `path` names, and starts it anew.
    ///
    /// Must be called before the process enters a user namespace: only from its parent may the owner of another one, that of
    /// the dead launcher, signal whoever lives there (user_namespaces(7)).
    init(_ path: String) throws(SystemError) {
        file = try OwnedFD.open(path, O_RDWR | O_CREAT, mode: 0o600)
        // Of the process and not of the descriptor: children do not inherit it (fcntl(2)).
        var lock = Self.lock
        try checkErrno(fcntl(file.raw, F_SETLK, &lock), "lock", path)
        // What is mapped must be there in full: a full disk shows now, and not as SIGBUS.
        let before = try Files.read(file.raw, path, limit: Self.size)
        try Self.end(before)
        try checkErrno(lseek(file.raw, 0, SEEK_SET), "lseek", path)
        try Files.writeAll(file.raw, [UInt8](repeating: 0, count: Self.size), path)
        let memory = mmap(nil, Self.size, PROT_READ | PROT_WRITE, MAP_SHARED, file.raw, 0)
        guard let memory, memory != MAP_FAILED else { throw SystemError.last("mmap", path) }
        entries = memory.bindMemory(to: Entry.self, capacity: Self.capacity)
    }

    /// Seen from a child: the launcher's lock went before its children were told of its end.
    var isLauncherAlive: Bool { Self.isHeld(file.raw) }

    /// Whether a launcher that lives has the table at `path`.
    static func isHeld(_ path: String) -> Bool {
        guard let file = try? OwnedFD.open(path, O_RDWR) else { return false }  // none has yet
        return isHeld(file.raw)
    }

    private static func isHeld(_ file: Int32) -> Bool {
        var lock = Self.lock
        return fcntl(file, F_GETLK, &lock) == 0 && lock.l_type != Int16(F_UNLCK)
    }

    private static let lock = flock(
        l_type: Int16(F_WRLCK), l_whence: 0, l_start: 0, l_len: 0, l_pid: 0)

    /// Before a clone. Throws EAGAIN where the table is full.
    func begin() throws(SystemError) -> Int {
        var number = used
        if let given = free.popLast() {
            number = given
        } else {
            guard used < Self.capacity else {
                throw SystemError("start", "container \(used + 1)", errno: EAGAIN)
            }
            used += 1
        }
        entries[number] = Entry(pid: 0, from: Self.now(), to: 0)
        return number
    }

    /// Where clone3 writes the pid.
    func pid(_ number: Int) -> UnsafeMutablePointer<pid_t> {
        UnsafeMutableRawPointer(entries + number).assumingMemoryBound(to: pid_t.self)
    }

    /// After the clone.
    func begun(_ number: Int) { entries[number].to = Self.now() }

    func end(_ number: Int) {
        entries[number].pid = 0
        free.append(number)
    }

    // MARK: Survivors

    /// Milliseconds in which a killed container must be gone.
    private static let patience: Int64 = 30_000
    /// Ticks that a launcher may have taken for a clone after which it was killed.
    private static let longestClone: Int64 = 1000

    private static func end(_ table: [UInt8]) throws(SystemError) {
        var dying: [Int32] = []
        defer { for fd in dying { close(fd) } }
        // Not what a launcher wrote, where the times are no times.
        let ticks = 0..<Int64.max / 2
        for entry in entries(in: table) where entry.pid > 0 && ticks.contains(entry.from) {
            let process = cl_pidfd_open(entry.pid)
            guard process >= 0 else { continue }
            dying.append(process)
            // Held by the descriptor, the pid cannot change hands between this look and the signal.
            let last = entry.to > 0 ? entry.to : entry.from + longestClone
            guard let start = ProcessStat(entry.pid)?.startTime,
                (entry.from...max(entry.from, last)) ~= start
            else {
                dying.removeLast()
                close(process)
                continue
            }
            let sent = cl_pidfd_send_signal(process, SIGKILL)
            if sent != -ESRCH { try check(sent, "kill", "container \(entry.pid)") }
        }
        if !dying.isEmpty { note("ended \(dying.count) containers of a launcher that was killed") }
        let deadline = Clock.monotonic() + patience
        for process in dying {
            // PID 1 of a namespace ends after everybody else in it.
            var poller = pollfd(fd: process, events: Int16(POLLIN), revents: 0)
            let left = Int32(max(0, deadline - Clock.monotonic()))
            guard poll(&poller, 1, left) > 0 else {
                throw SystemError(
                    "kill", "containers of the launcher before", errno: ETIMEDOUT,
                    hint: "they do not end; a device or file system may hang")
            }
        }
    }

    private static func entries(in table: [UInt8]) -> [Entry] {
        table.withUnsafeBytes { bytes in
            (0..<bytes.count / MemoryLayout<Entry>.stride).map {
                bytes.loadUnaligned(
                    fromByteOffset: $0 * MemoryLayout<Entry>.stride, as: Entry.self)
            }
        }
    }

    private static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        let perSecond = Int64(sysconf(Int32(_SC_CLK_TCK)))
        return Int64(time.tv_sec) * perSecond + Int64(time.tv_nsec) * perSecond / 1_000_000_000
    }
}

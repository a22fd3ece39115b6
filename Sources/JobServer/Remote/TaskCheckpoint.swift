internal import Glibc
internal import JobModel
internal import LinuxSystem
internal import NodeLink

/// The checkpoint that former attempts of a task left, on its way to the node of the next one. Attempts on nodes that keep their files to
/// themselves have left theirs in their own mirrors (`FileFetch`); those that wrote here, beside all attempts.
struct TaskCheckpoint: Sendable {
    /// The one that is to start.
    let attempt: AttemptID
    /// Directory that holds `checkpoint`.
    private let holder: String
    /// The task's own directory, where an attempt on this machine looks for it.
    private let task: String
    /// The attempts' directories in which older ones may lie.
    private let former: [String]

    /// Nil where there is none, as for every first attempt.
    /// - Parameters:
    ///   - task: the task's directory here.
    ///   - place: as for `NodeFiles`; of the same node's part, where it has several.
    init?(for attempt: AttemptID, task: String, place: (AttemptID) -> String) {
        let former = (1..<max(1, attempt.number)).reversed().map {
            place(AttemptID(task: attempt.task, number: $0))
        }
        guard attempt.number > 1,
            let holder = (former + [task]).first(where: { Files.exists($0 + "/checkpoint") })
        else { return nil }
        self.attempt = attempt
        self.holder = holder
        self.task = task
        self.former = former
    }

    /// Where the next attempt runs on this machine, or on one that shares its directories. Blocks.
    func bringHome() throws(SystemError) {
        guard holder != task else { return }
        let (from, to) = (holder + "/checkpoint", task + "/checkpoint")
        // What is there is older: it was where a yet earlier attempt began.
        let old = task + "/.checkpoint-old-\(UInt32.random(in: 0 ... .max))"
        if rename(to, old) < 0, errno != ENOENT { throw SystemError.last("rename", to) }
        try checkErrno(rename(from, to), "rename", from)
        // From now on the attempts here have the latest: nothing older is to be found before it.
        for place in former { rename(place + "/checkpoint", place + "/.checkpoint-old") }
    }

    /// Where it runs on a node that keeps files to itself. `done` is called once, on some thread: nil when the node has it, and
    /// the attempt may be sent there; else why not: where the connection has ended, or there is no room, it is tried again.
    func send(_ open: @escaping NodeFiles.Open, done: @escaping @Sendable (String?) -> Void) {
        do throws(SystemError) {
            try BackgroundThread.run {
                do throws(SystemError) {
                    try Sending(holder: holder, attempt: attempt).run(open, done)
                } catch { done("\(error)") }
            }
        } catch { done("\(error)") }
    }
}

/// One such transfer, on a thread that may wait for the node.
private struct Sending {
    private let root: OpenFile
    private let attempt: AttemptID
    private var list: [LeftFile] = []

    init(holder: String, attempt: AttemptID) throws(SystemError) {
        self.attempt = attempt
        root = OpenFile(try OwnedFD.open(holder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW))
        let walk = TreeWalk(["checkpoint"], in: root.raw, limits: (AttemptFiles.most, 100))
        while let entries = try walk.step() {
            for entry in entries { if let file = try file(entry) { list.append(file) } }
        }
        // So that nothing is written through them.
        list = list.filter { !$0.isLink } + list.filter(\.isLink)
    }

    private func open(_ path: String) throws(SystemError) -> OpenFile {
        OpenFile(
            try RootedPath.open(
                root: root.raw, "/" + path, O_RDONLY | O_NONBLOCK, followLinks: false))
    }

    private func file(_ entry: TreeWalk.Entry) throws(SystemError) -> LeftFile? {
        let path = entry.path.joined(separator: "/")
        let mode = UInt32(entry.status.st_mode & 0o7777)
        switch entry.status.st_mode & S_IFMT {
        case S_IFREG:
            let file = try open(path)
            defer { withExtendedLifetime(file) {} }
            let (size, sum) = try file.checksum(upTo: .max, path)
            return LeftFile(path, .file(size: size, checksum: sum.value), mode: mode)
        case S_IFDIR: return LeftFile(path, .directory, mode: mode)
        case S_IFLNK: return entry.target.map { LeftFile(path, .link($0), mode: mode) }
        default: return nil
        }
    }

    func run(_ open: NodeFiles.Open, _ done: @escaping @Sendable (String?) -> Void)
        throws(SystemError)
    {
        guard !list.isEmpty else { return done(nil) }
        // About what one message bears, escapes included.
        guard list.reduce(0, { $0 + 128 + $1.path.utf8.count }) < Frame.largestPayload / 8 else {
            return done("the checkpoint has too many files to be sent to another node")
        }
        let directory = JobTemplate.keptDirectory(attempt.task.job)
        do {
            let handle = try open(.restore(CheckpointRestore(attempt, in: directory, list))) {
                if case .end(let reason) = $1 { done(reason) }
            }
            do {
                for file in list { try send(file, handle) }
                handle.finish()
            } catch {
                // Where the node has ended it, it has said why.
                handle.cancel("\(error)")
            }
        } catch { done("\(error)") }
    }

    private func send(_ file: LeftFile, _ handle: StreamHandle) throws {
        guard file.size > 0 else { return }
        let source = try open(file.path)
        var offset: Int64 = 0
        while offset < file.size {
            let bytes = try source.read(
                min(1 << 16, Int(file.size - offset)), at: offset, file.path)
            guard !bytes.isEmpty else { throw LinkError("\(file.path): it has become shorter") }
            try handle.write(bytes)
            offset += Int64(bytes.count)
        }
    }
}

extension LeftFile {
    fileprivate var isLink: Bool { if case .link = kind { true } else { false } }
}

internal import FoundationEssentials
internal import Glibc
internal import JobModel
internal import LinuxSystem
internal import NodeLink

/// Lists what one ended attempt left, with checksums, for a head that has to fetch it; a slice at a time. The list lies beside the
/// files, so that it is made once, whoever asks and however often this agent starts.
final class FileSurvey {
    /// What is reported then, given whether anything is left.
    let record: (Bool) -> ExitRecord
    private let directory: String
    private let withCheckpoint: Bool
    private var kept: KeptAttempt?
    private var walks: [TreeWalk] = []
    private var left = AttemptFiles()
    /// Of `left.list`, the next one to be read, and how far that is.
    private var next = 0
    private var reading: (file: Int32, sum: Checksum, size: Int64)?
    /// Bytes in one step: some milliseconds.
    private static let slice = 4 << 20

    /// - Parameters:
    ///   - directory: the attempt's.
    ///   - withCheckpoint: another attempt may go on from there, on another node.
    init(
        _ directory: String, withCheckpoint: Bool = false,
        _ record: @escaping (Bool) -> ExitRecord
    ) {
        self.directory = directory
        self.withCheckpoint = withCheckpoint
        self.record = record
    }

    deinit {
        if let reading { close(reading.file) }
    }

    /// All of it, where it is a matter of a millisecond.
    func attempt() throws(SystemError) -> Bool? {
        for _ in 0..<4 { if let done = try step() { return done } }
        return nil
    }

    /// Nil until all is done; then whether anything is left. Throws where the disk is full or descriptors are short: then the same
    /// piece is done again by the next call.
    func step() throws(SystemError) -> Bool? {
        if kept == nil { try begin() }
        guard kept != nil else { return false }
        if try !hasWalked() { return nil }
        guard try hasRead() else { return nil }
        // Nothing at all is the common case, and needs no list.
        let files = left.list.filter { $0.size > 0 || $0.path.contains("/") }
        guard !files.isEmpty || left.problems != nil else { return false }
        left.list = files
        try write()
        return true
    }

    private func begin() throws(SystemError) {
        let kept: KeptAttempt
        do throws(SystemError) {
            kept = try KeptAttempt(directory)
        } catch {
            if error.isShortage { throw error }
            // It never came to have one.
            return
        }
        for name in ["stdout", "stderr"] {
            var status = stat()
            guard fstatat(kept.root(of: name), name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
                continue
            }
            add(TreeWalk.Entry(path: [name], status: status))
        }
        // The last one first.
        walks = (withCheckpoint ? [KeptAttempt.checkpoint] : []).map { walk(of: $0, kept) }
        walks.append(walk(of: "results", kept))
        self.kept = kept
    }

    private func walk(of name: String, _ kept: KeptAttempt) -> TreeWalk {
        TreeWalk(
            [name], in: kept.root(of: name), limits: (FileWalk.mostFiles, FileWalk.deepest))
    }

    private func hasWalked() throws(SystemError) -> Bool {
        guard let walk = walks.last else { return true }
        guard let entries = try walk.step() else {
            let problems = (left.problems ?? []) + walk.problems.prefix(1000)
            left.problems = problems.isEmpty ? nil : problems
            walks.removeLast()
            return walks.isEmpty
        }
        for entry in entries { add(entry) }
        return false
    }

    private func add(_ entry: TreeWalk.Entry) {
        let kind: LeftFile.Kind? =
            switch entry.status.st_mode & S_IFMT {
            case S_IFREG: .file(size: Int64(entry.status.st_size), checksum: 0)
            case S_IFDIR: .directory
            case S_IFLNK: entry.target.map { .link($0) }
            default: nil
            }
        guard let kind else { return }
        left.list.append(
            LeftFile(
                entry.path.joined(separator: "/"), kind, mode: UInt32(entry.status.st_mode & 0o7777)
            ))
    }

    /// Reads some more of what was found.
    private func hasRead() throws(SystemError) -> Bool {
        var budget = Self.slice
        while next < left.list.count, budget > 0 {
            let file = left.list[next]
            guard case .file(let size, _) = file.kind, size > 0 else {
                next += 1
                continue
            }
            do throws(SystemError) {
                try read(file.path, &budget)
            } catch {
                if let reading { close(reading.file) }
                reading = nil
                if error.isShortage { throw error }
                left.problems =
                    (left.problems ?? []) + ["\(file.path): \(SystemError.text(error.errno))"]
                left.list.remove(at: next)
            }
        }
        return next >= left.list.count
    }

    private func read(_ path: String, _ budget: inout Int) throws(SystemError) {
        var (file, sum, size): (Int32, Checksum, Int64)
        if let reading {
            (file, sum, size) = reading
        } else {
            guard let kept else { return }
            file = try kept.open(path).release()
            (sum, size) = (Checksum(), 0)
        }
        reading = (file, sum, size)
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        while budget > 0 {
            let count = try checkErrno(Glibc.read(file, &buffer, buffer.count), "read", path)
            guard count > 0 else {
                left.list[next].kind = .file(size: size, checksum: sum.value)
                next += 1
                close(file)
                reading = nil
                return
            }
            sum.add(buffer[..<count])
            size += Int64(count)
            budget -= count
            reading = (file, sum, size)
        }
    }

    private func write() throws(SystemError) {
        let path = directory + "/" + AttemptFiles.listName
        // Its numbers and strings always encode.
        guard let json = try? JSONEncoder().encode(left) else { return }
        try Files.writeAtomically(path, json, mode: 0o600, durable: false)
    }
}

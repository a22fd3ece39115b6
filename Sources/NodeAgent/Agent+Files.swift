internal import FoundationEssentials
internal import Glibc
internal import JobModel
internal import LinuxSystem
internal import NodeLink

/// Files that this node keeps for a head that shares no file system with it: in the agent's own state directory, until the head has
/// them.
extension Agent {
    /// Of whichever head's jobs.
    private var keptByAll: String { directories.state + "/node/" }

    /// Of this head's.
    private var kept: String {
        let name = (identity.head ?? "").map {
            $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_"
        }
        return keptByAll + (name.isEmpty ? "_" : String(name.prefix(200)))
    }

    /// Where a directory lies that a head named.
    private func resolve(_ directory: String) -> String {
        guard !directory.hasPrefix("/") else { return directory }
        let parts = directory.split(separator: "/").filter { $0 != "." && $0 != ".." }
        return ([kept[...]] + parts).joined(separator: "/")
    }

    func resolved(_ template: JobTemplate) -> JobTemplate {
        var template = template
        // Nobody else's; where it cannot be made, each start will say so.
        if !template.directory.hasPrefix("/") {
            try? Files.makeDirectories(keptByAll, mode: 0o700)
        }
        template.directory = resolve(template.directory)
        return template
    }

    func isKept(_ template: JobTemplate) -> Bool { template.directory.hasPrefix(keptByAll) }

    // MARK: What attempts left

    /// A record as it is sent: with what its attempt left, and the bytes of that where they are few.
    func complete(_ record: ExitRecord, isBusy: Bool) -> ExitRecord {
        guard record.files != nil, let template = templates.find(record.attempt.task.job) else {
            return record
        }
        let attempt = TaskDirectories(job: template.directory, attempt: record.attempt).attempt
        var complete = record
        do throws(SystemError) {
            complete.files = try Self.files(in: attempt, isBusy: isBusy)
        } catch { complete.files = AttemptFiles(problems: ["\(error)"]) }
        return complete
    }

    /// Bytes of a list that goes into a message, as long as there are few messages and when there are many.
    private static let (longestList, longestListWhenBusy): (Int64, Int64) = (64 << 10, 1 << 10)

    static func files(in attempt: String, isBusy: Bool) throws(SystemError) -> AttemptFiles {
        let kept = try KeptAttempt(attempt)
        let list = try kept.open(AttemptFiles.listName)
        var status = stat()
        try checkErrno(fstat(list.raw, &status), "stat", AttemptFiles.listName)
        var files = AttemptFiles()
        guard Int64(status.st_size) <= (isBusy ? longestListWhenBusy : longestList) else {
            files.listSize = Int64(status.st_size)
            return files
        }
        let json = try Files.read(list.raw, AttemptFiles.listName)
        guard let read = try? JSONDecoder().decode(AttemptFiles.self, from: Data(json)) else {
            throw SystemError("read", AttemptFiles.listName, errno: EBADMSG)
        }
        files = read
        guard !isBusy, files.list.reduce(0, { $0 + $1.size }) <= AttemptFiles.inlineLimit else {
            return files
        }
        for index in files.list.indices where files.list[index].size > 0 {
            let path = files.list[index].path
            // One that cannot be read is asked for, and then it is said why.
            guard let file = try? kept.open(path),
                let bytes = try? Files.read(file.raw, path, limit: Int(AttemptFiles.inlineLimit))
            else { continue }
            files.list[index].content = LeftContent(bytes)
        }
        return files
    }

    func readFiles(_ number: UInt16, _ read: FileRead, _ session: HeadSession) {
        let directory = TaskDirectories(job: resolve(read.directory), attempt: read.attempt).attempt
        do throws(SystemError) {
            session.open(number, try FileReadStream(read.parts, in: directory))
        } catch { session.refuse(number, "\(error)") }
    }

    func followFile(_ number: UInt16, _ follow: FileFollow, _ session: HeadSession) {
        let id = follow.attempt
        let directory = TaskDirectories(job: resolve(follow.directory), attempt: id).attempt
        session.open(
            number,
            FileFollowStream(follow, in: directory, loop) { [unowned self] in
                self.live[id].map { $0.phase != .collecting } ?? false
            })
    }

    func restoreCheckpoint(_ number: UInt16, _ restore: CheckpointRestore, _ session: HeadSession) {
        let task = TaskDirectories(job: resolve(restore.directory), attempt: restore.attempt).task
        do throws(SystemError) {
            try Files.makeDirectories(keptByAll, mode: 0o700)
            let stream = try CheckpointStream(restore, task: task) { [unowned self] name in
                self.remove(task + "/" + name)
            }
            session.open(number, stream)
        } catch { session.refuse(number, "\(error)") }
    }

    // MARK: What nobody needs any more

    /// The head has all of it.
    func discard(_ id: AttemptID) {
        guard let template = templates.find(id.task.job), isKept(template) else { return }
        remove(TaskDirectories(job: template.directory, attempt: id).attempt)
    }

    /// No task of that job will come any more.
    func discard(_ job: JobID) {
        guard let template = templates.find(job), isKept(template) else { return }
        remove(template.directory)
    }

    /// Removes what is kept of all other jobs: the head ended them while it could not tell.
    func keep(_ jobs: [JobID]) {
        let here = (Array(live.keys) + ended.keys + orphans.keys).map(\.task.job)
        let needed = Set((jobs + here).map(\.description))
        let all = kept + "/" + JobTemplate.keptFolder
        // No directory, nothing to remove.
        for name in (try? Files.names(in: all)) ?? [] where !needed.contains(name) {
            remove(all + "/" + name)
        }
    }

    private func remove(_ path: String) {
        removals.append(TreeRemoval(path))
        if removals.count == 1 { removeSoon() }
    }

    /// Milliseconds in one round of the loop.
    private static let removingSlice: Int64 = 5

    private func removeSoon() {
        loop.after(0) { [unowned self] in
            let end = Clock.monotonic() + Self.removingSlice
            while let removal = self.removals.first, Clock.monotonic() < end {
                do throws(SystemError) {
                    if try removal.step() { self.removals.removeFirst() }
                } catch {
                    // It only takes room; the next start of this agent does not look for it either.
                    note("what is not needed any more stays: \(error)")
                    self.removals.removeFirst()
                }
            }
            if !self.removals.isEmpty { self.removeSoon() }
        }
    }
}

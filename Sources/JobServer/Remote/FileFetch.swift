internal import FoundationEssentials
internal import Glibc
internal import JobModel
internal import LinuxSystem
internal import NodeLink

/// Brings the files of one ended attempt here, one after the other, however often the connection breaks meanwhile. What is
/// here of a file is never asked for again, and no file has its name before it is whole and its checksum right.
///
/// Throws where this machine has no room, or something else here is in the way: then the same is tried again. What the node does
/// wrong, or cannot give, is missing in the end, by name.
final class FileFetch {
    enum Step {
        /// Open a stream for this, and hand on what comes.
        case read(FileRead)
        case done(ExitRecord)
    }

    let record: ExitRecord
    /// Something was written that has to be on disk before the node may forget it.
    private(set) var hasWritten = false
    private let directory: String
    private var mirror: AttemptMirror?
    private var list: [LeftFile]
    /// Bytes that the list has, where it has not come with the record, and what is here of them.
    private var listSize: Int?
    private var listBytes: [UInt8] = []
    /// Files that are yet to be brought here, as indexes into `list`.
    private var left: [Int] = []
    private var hasBegun = false
    /// Those of `left` that the stream under way brings, the current one apart.
    private var expected: ArraySlice<Int> = []
    private var current: Incoming?
    /// Read a second time, since the checksum was wrong.
    private var repeated: Set<Int> = []
    private var missing: [String] = []

    /// Lines of `ExitRecord.missingFiles`.
    private static let mostMissing = 1000
    private static let longestList = 64 << 20
    /// Files in one stream.
    private static let mostParts = 256

    /// - Parameter directory: the attempt's, on this machine.
    init(_ record: ExitRecord, to directory: String) {
        let files = record.files ?? AttemptFiles()
        var record = record
        record.files = nil
        self.record = record
        self.directory = directory
        list = files.list
        missing = files.problems ?? []
        if let size = files.listSize {
            if 0...Int64(Self.longestList) ~= size {
                listSize = Int(size)
            } else {
                missing.append("\(AttemptFiles.listName): it has \(size) bytes")
            }
        }
    }

    /// Does what can be done without the node; then says what is needed of it.
    func advance() throws(SystemError) -> Step {
        if let listSize {
            return .read(request([.init(AttemptFiles.listName, length: Int64(listSize))]))
        }
        if mirror == nil { mirror = try AttemptMirror(directory) }
        if !hasBegun { try begin() }
        while let index = left.first {
            guard try open(index) else { continue }
            if let content = list[index].content { try write(content.bytes[...]) }
            if current == nil { continue }
            return .read(try requestCurrent())
        }
        return .done(try finish())
    }

    private func request(_ parts: [FileRead.Part]) -> FileRead {
        FileRead(record.attempt, in: JobTemplate.keptDirectory(record.attempt.task.job), parts)
    }

    private func begin() throws(SystemError) {
        left = []
        for (index, file) in list.enumerated() {
            guard let parts = AttemptMirror.parts(of: file.path) else {
                miss(file.path, "the node may not write there")
                continue
            }
            switch file.kind {
            case .file: left.append(index)
            case .directory:
                try orMiss(file.path) { mirror throws(SystemError) in
                    try mirror.makeDirectory(parts)
                }
            case .link: break
            }
        }
        hasBegun = true
    }

    // MARK: One file

    private struct Incoming {
        let index: Int
        let file: OpenFile
        let isInPlace: Bool
        var offset: Int64
        var sum: Checksum
    }

    /// Makes it the current one; false where it needs nothing more, or cannot be.
    private func open(_ index: Int) throws(SystemError) -> Bool {
        let entry = list[index]
        guard let parts = AttemptMirror.parts(of: entry.path) else { return false }
        var incoming: Incoming?
        try orMiss(entry.path) { mirror throws(SystemError) in
            // There already where this server or an earlier one has begun with it.
            let isHere = mirror.has(parts)
            let isInPlace =
                ["stdout", "stderr"].contains(entry.path)
                || isHere && entry.path == FileFollower.metrics
            if isHere, !isInPlace, try Self.isSame(mirror, parts, entry) { return }
            let file = OpenFile(
                isInPlace ? try mirror.openInPlace(parts) : try mirror.openIncoming(index))
            let (size, sum) = try file.checksum(upTo: entry.size, entry.path)
            incoming = Incoming(
                index: index, file: file, isInPlace: isInPlace, offset: size, sum: sum)
        }
        guard let incoming else {
            left.removeAll { $0 == index }
            return false
        }
        current = incoming
        if incoming.offset == entry.size { try complete() }
        return current != nil
    }

    private static func isSame(_ mirror: AttemptMirror, _ parts: [String], _ entry: LeftFile)
        throws(SystemError) -> Bool
    {
        let file = OpenFile(try mirror.openInPlace(parts))
        defer { withExtendedLifetime(file) {} }
        let (size, sum) = try file.checksum(upTo: entry.size, entry.path)
        return entry.kind == .file(size: size, checksum: sum.value)
    }

    /// The current one from where it stands, and as many as come after it of which nothing is here.
    private func requestCurrent() throws(SystemError) -> FileRead {
        guard let current else { return request([]) }
        let entry = list[current.index]
        var parts = [
            FileRead.Part(entry.path, offset: current.offset, length: entry.size - current.offset)
        ]
        var more: [Int] = []
        for index in left.dropFirst().prefix(Self.mostParts) {
            let (next, path) = (list[index], AttemptMirror.parts(of: list[index].path) ?? [])
            guard next.size > 0, next.content == nil, path.count > 1,
                mirror?.hasNothing(of: index, path) == true
            else { break }
            more.append(index)
            parts.append(FileRead.Part(next.path, length: next.size))
        }
        expected = more[...]
        return request(parts)
    }

    // MARK: What comes

    /// Bytes of the stream that was asked for.
    func take(_ bytes: [UInt8]) throws(SystemError) {
        if let listSize {
            listBytes += bytes.prefix(listSize - listBytes.count)
            return
        }
        try write(bytes[...])
    }

    private func write(_ bytes: ArraySlice<UInt8>) throws(SystemError) {
        var rest = bytes
        while !rest.isEmpty {
            if current == nil {
                // More than was asked for is nobody's.
                guard let next = expected.popFirst(), try open(next) else { return }
            }
            guard let incoming = current else { return }
            let piece = rest.prefix(Int(list[incoming.index].size - incoming.offset))
            try incoming.file.write(piece, at: incoming.offset, list[incoming.index].path)
            current?.sum.add(piece)
            current?.offset += Int64(piece.count)
            hasWritten = true
            rest = rest.dropFirst(piece.count)
            if current?.offset == list[incoming.index].size { try complete() }
        }
    }

    /// All bytes of the current one are here.
    private func complete() throws(SystemError) {
        guard let incoming = current else { return }
        let (index, entry) = (incoming.index, list[incoming.index])
        guard entry.kind == .file(size: incoming.offset, checksum: incoming.sum.value) else {
            current = nil
            try incoming.file.truncate(entry.path)
            list[index].content = nil
            // What was here of it is from before the task wrote it anew; or the node's list is older than that.
            if repeated.insert(index).inserted {
                left.removeAll { $0 == index }
                left.append(index)
            } else {
                drop(index, "it changed while it was read")
            }
            return
        }
        if !incoming.isInPlace, let parts = AttemptMirror.parts(of: entry.path) {
            try orMiss(entry.path) { mirror throws(SystemError) in
                try mirror.place(index, incoming.file.raw, as: parts, mode: entry.mode)
            }
            // Nothing where it was placed.
            mirror?.removeIncoming(index)
        }
        current = nil
        left.removeAll { $0 == index }
    }

    /// The stream has ended; `reason` is the node's. Not called where the connection ended with it.
    func streamEnded(_ reason: String?) {
        let reason = reason ?? "the node sent less of it than it had told"
        if let listSize {
            takeList(isWhole: listBytes.count == listSize, reason)
        } else if let index = current?.index ?? expected.first {
            current = nil
            drop(index, reason)
        }
        expected = []
    }

    /// Nothing is under way now; it goes on from what is here. Holds no file open meanwhile.
    func rest() {
        (current, expected, listBytes, mirror) = (nil, [], [], nil)
    }

    private func takeList(isWhole: Bool, _ reason: String) {
        listSize = nil
        defer { listBytes = [] }
        guard isWhole else { return miss(AttemptFiles.listName, reason) }
        guard let files = try? JSONDecoder().decode(AttemptFiles.self, from: Data(listBytes)) else {
            return miss(AttemptFiles.listName, "it cannot be understood")
        }
        list = Array(files.list.prefix(AttemptFiles.most + 2))
        missing += files.problems ?? []
    }

    // MARK: What does not come

    private func drop(_ index: Int, _ reason: String) {
        left.removeAll { $0 == index }
        mirror?.removeIncoming(index)
        miss(list[index].path, reason)
    }

    private func miss(_ path: String, _ reason: String) {
        missing.append(reason.hasPrefix(path + ": ") ? reason : "\(path): \(reason)")
    }

    /// What the node's names make impossible is missing; what this machine does not have now throws.
    private func orMiss(
        _ path: String, _ body: (AttemptMirror) throws(SystemError) -> Void
    ) throws(SystemError) {
        do throws(SystemError) {
            if let mirror { try body(mirror) }
        } catch {
            let theirs = [
                ENOTDIR, EISDIR, EEXIST, ENOTEMPTY, ENAMETOOLONG, ELOOP, EINVAL, EILSEQ, EXDEV,
            ]
            guard theirs.contains(error.errno) else { throw error }
            miss(path, SystemError.text(error.errno))
        }
    }

    // MARK: The end

    private func finish() throws(SystemError) -> ExitRecord {
        for file in list {
            guard case .link(let target) = file.kind,
                let parts = AttemptMirror.parts(of: file.path)
            else { continue }
            try orMiss(file.path) { mirror throws(SystemError) in
                try mirror.makeLink(parts, to: target)
            }
        }
        var record = record
        if !missing.isEmpty {
            let rest = missing.count - Self.mostMissing
            record.missingFiles =
                missing.prefix(Self.mostMissing) + (rest > 0 ? ["and \(rest) more"] : [])
        }
        // For people and scripts; its numbers and strings always encode.
        let json = (try? JSONEncoder().encode(record)).map { Array($0) } ?? []
        if record.started != nil { try mirror?.makeOutputs() }
        try mirror?.write("exit.json", json + [10])
        return record
    }

    func flush() throws(SystemError) { try mirror?.flush() }
}

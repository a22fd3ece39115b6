internal import Glibc
public import LinuxSystem

/// Every exit, appended before anybody is told, so that a dead launcher's last words can be read.
/// A record is its length (8 bytes) and a `ContainerExit`; a torn last record is not one.
public final class LauncherJournal {
    private let path: String
    private var file: OwnedFD
    private var size = 0
    /// Bytes from which it is written anew, with what is still waited for.
    private var limit = smallest
    private static let smallest = 1 << 16
    /// An append has failed, and what it was to say is in memory alone.
    private var isBehind = false

    /// Starts an empty journal at `path`.
    init(_ path: String) throws(SystemError) {
        self.path = path
        file = try Self.open(path)
    }

    private static func open(_ path: String) throws(SystemError) -> OwnedFD {
        try OwnedFD.open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, mode: 0o600)
    }

    /// Appends an exit; `waiting` are all that nobody has acknowledged, this one among them. A full disk must not keep the
    /// agent from hearing it: the record is made up for as soon as there is room.
    func append(_ exit: ContainerExit, waiting: some Sequence<ContainerExit>) {
        if isBehind { return rewrite(waiting) }
        let bytes = Self.record(exit)
        do throws(SystemError) {
            try Files.writeAll(file.raw, bytes, path)
            size += bytes.count
        } catch {
            // Half a record would hide all that come after it.
            ftruncate(file.raw, off_t(size))
            isBehind = true
        }
    }

    /// After an acknowledgement: nobody needs what everybody has.
    func forget(waiting: some Collection<ContainerExit>) {
        guard isBehind || size > limit else { return }
        if waiting.isEmpty, ftruncate(file.raw, 0) == 0 {
            (size, limit, isBehind) = (0, Self.smallest, false)
        } else {
            rewrite(waiting)
        }
    }

    /// Written beside its place and renamed: whoever reads after a crash finds the old journal or the new one.
    private func rewrite(_ waiting: some Sequence<ContainerExit>) {
        let bytes = waiting.flatMap(Self.record)
        let new = path + ".new"
        do throws(SystemError) {
            let file = try Self.open(new)
            try Files.writeAll(file.raw, bytes, new)
            try checkErrno(rename(new, path), "rename", path)
            self.file = file
            (size, isBehind) = (bytes.count, false)
            limit = max(Self.smallest, 2 * size)
        } catch {
            // No room yet. The old one stands, and the next exit or acknowledgement tries again.
            unlink(new)
            limit = max(limit, 2 * size)
        }
    }

    /// Exits that the launcher of this journal recorded, oldest first; empty where there is no journal.
    public static func read(_ path: String) throws(SystemError) -> [ContainerExit] {
        guard Files.exists(path) else { return [] }
        let bytes = try Files.read(path, limit: 1 << 28)
        var exits: [ContainerExit] = []
        var rest = bytes[...]
        while rest.count >= 8 {
            var header = WireReader(rest.prefix(8))
            // Eight bytes are there, so reading them cannot fail.
            guard let length = try? header.int(), length > 0, length <= rest.count - 8 else {
                break
            }
            var record = WireReader(rest.dropFirst(8).prefix(length))
            // One that was torn by a crash is the end.
            guard let exit = try? ContainerExit(from: &record) else { break }
            exits.append(exit)
            rest = rest.dropFirst(8 + length)
        }
        return exits
    }

    static func record(_ exit: ContainerExit) -> [UInt8] {
        var body = WireWriter()
        exit.write(to: &body)
        var whole = WireWriter()
        whole.put(body.bytes.count)
        return whole.bytes + body.bytes
    }
}

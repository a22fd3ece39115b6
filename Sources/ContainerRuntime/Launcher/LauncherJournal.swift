internal import Glibc
public import LinuxSystem

/// Every exit, appended before anybody is told, so that a dead launcher's last words can be read.
/// A record is its length with `sealBit`, a checksum of both, and a `ContainerExit`: 8 bytes, 8 bytes and the rest. What a crash
/// has torn or a disk has changed is no record. Those of launchers of older versions have neither bit nor checksum.
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

    /// What stands in a journal.
    public struct Contents: Sendable, Hashable {
        /// Oldest first.
        public var exits: [ContainerExit] = []
        /// Bytes that are no record: torn by a crash, or changed since.
        public var unreadable = 0
    }

    /// Exits that the launcher of this journal recorded, oldest first; empty where there is no journal. What is no record is left
    /// out, and those behind it are found again.
    public static func read(_ path: String) throws(SystemError) -> Contents {
        guard Files.exists(path) else { return Contents() }
        let bytes = try Files.read(path, limit: 1 << 28)
        var contents = Contents()
        var rest = bytes[...]
        while !rest.isEmpty {
            if let (exit, size) = record(rest, isFirst: contents.unreadable == 0) {
                contents.exits.append(exit)
                rest = rest.dropFirst(size)
            } else {
                contents.unreadable += 1
                rest = rest.dropFirst()
            }
        }
        return contents
    }

    private static let sealBit = 1 << 62

    /// The record at the start of some bytes, and its size. One without a checksum is believed only where nothing was wrong before.
    private static func record(_ bytes: ArraySlice<UInt8>, isFirst: Bool) -> (ContainerExit, Int)? {
        guard bytes.count > 8 else { return nil }
        var reader = WireReader(bytes.prefix(16))
        // Eight bytes are there, so reading them cannot fail.
        guard let header = try? reader.int(), header > 0 else { return nil }
        let isSealed = header & sealBit != 0
        let (start, length) = (isSealed ? 16 : 8, header & ~sealBit)
        guard isSealed || isFirst, length > 0, length <= bytes.count - start else { return nil }
        let body = bytes.dropFirst(start).prefix(length)
        if isSealed, (try? reader.int64()) != checksum(body) { return nil }
        var record = WireReader(body)
        guard let exit = try? ContainerExit(from: &record) else { return nil }
        return (exit, start + length)
    }

    static func record(_ exit: ContainerExit) -> [UInt8] {
        var body = WireWriter()
        exit.write(to: &body)
        var whole = WireWriter()
        whole.put(body.bytes.count | sealBit)
        whole.put(checksum(body.bytes[...]))
        return whole.bytes + body.bytes
    }

    /// FNV-1a of 64 bits, begun with the length: no change of a single byte escapes it
    /// (https://www.rfc-editor.org/rfc/rfc9923).
    private static func checksum(_ bytes: ArraySlice<UInt8>) -> Int64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325 ^ UInt64(bytes.count)
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return Int64(bitPattern: hash)
    }
}

internal import Glibc
public import LinuxSystem

/// Every exit, appended before anybody is told, so that a dead launcher's last words can be read.
/// A record is its length (8 bytes) and a `ContainerExit`; a torn last record is not one.
public enum LauncherJournal {
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

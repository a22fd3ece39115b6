internal import CLinux
internal import Glibc
internal import LinuxSystem

extension Raw {
    /// Extended attributes of a file that is open for reading, by name, as an archive has them.
    package static func attributes(_ file: Int32, where isWanted: ([UInt8]) -> Bool)
        throws(LayerError)
        -> [(name: [UInt8], value: [UInt8])]
    {
        let size = flistxattr(file, nil, 0)
        // A file system without attributes has none.
        guard size > 0 else { return [] }
        var list = [CChar](repeating: 0, count: size)
        let count = flistxattr(file, &list, size)
        guard count >= 0 else { throw LayerError(system: errno, "listxattr") }
        var attributes: [(name: [UInt8], value: [UInt8])] = []
        var value = [UInt8](repeating: 0, count: 64 << 10)
        for part in list[..<count].split(separator: 0) {
            let name = Array(part).bytes
            guard isWanted(name) else { continue }
            let length = attribute(file, name.cName, into: &value)
            guard length >= 0 else { throw LayerError(system: errno, "getxattr") }
            let bytes = Array(value[..<length])
            attributes.append(
                (name, name == LayerWriter.capabilityAttribute ? portable(bytes) : bytes))
        }
        return attributes.sorted { $0.name.lexicographicallyPrecedes($1.name) }
    }

    /// fgetxattr(2), of a file that is open for reading: users' own attributes take the right to read it now, too. -1 and errno where
    /// there is none.
    static func attribute(_ file: Int32, _ name: [CChar], into value: inout [UInt8]) -> Int {
        let count = fgetxattr(file, name, &value, value.count)
        guard count < 0, errno == EACCES else { return count }
        var request = FileRequest(.attribute, [[]])
        request.attributes = [(name.bytes, [])]
        guard let reply = ask(request, [file])?.reply, reply.errno == 0,
            reply.value.count <= value.count
        else {
            errno = EACCES
            return count
        }
        value.replaceSubrange(..<reply.value.count, with: reply.value)
        return reply.value.count
    }

    /// Whose it is where that could only be recorded: `UID:GID:MODE`.
    package static func recordedOwner(_ file: Int32) -> (uid: UInt32, gid: UInt32)? {
        var value = [UInt8](repeating: 0, count: 64)
        let count = attribute(file, Array(LayerWriter.ownerRecord.utf8).cName, into: &value)
        guard count > 0 else { return nil }
        let fields = String(decoding: value[..<count], as: UTF8.self).split(separator: ":")
        guard fields.count >= 2, let uid = UInt32(fields[0]), let gid = UInt32(fields[1]) else {
            return nil
        }
        return (uid, gid)
    }

    /// File capabilities without the user whose namespace they were given in: the kernel shows these to him as version 3 of
    /// linux/capability.h (struct vfs_ns_cap_data), which means something on this machine alone.
    private static func portable(_ value: [UInt8]) -> [UInt8] {
        guard value.count == 24, value[3] == 3 else { return value }
        let root = value[20...].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        guard root != 0, root == geteuid() else { return value }
        return Array(value[..<3]) + [2] + value[4..<20]
    }
}

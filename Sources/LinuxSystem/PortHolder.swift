internal import Glibc

/// Who listens on a port of this machine, as far as this user may know.
public enum PortHolder {
    /// `process 4711 (python3)`; nil where nobody is found, as with other users' processes.
    public static func find(port: UInt16, isUDP: Bool) -> String? {
        let sockets = inodes(port, isUDP)
        guard !sockets.isEmpty else { return nil }
        // Processes come and go, and those of others hide their descriptors: all that cannot be read is passed over.
        let pids = ((try? Files.names(in: "/proc")) ?? []).filter { $0.allSatisfy(\.isNumber) }
        for pid in pids {
            let descriptors = (try? Files.names(in: "/proc/\(pid)/fd")) ?? []
            guard descriptors.contains(where: { isOne(of: sockets, "/proc/\(pid)/fd/\($0)") })
            else { continue }
            let name = (try? Files.text("/proc/\(pid)/comm"))?.split(separator: "\n").first ?? "?"
            return "process \(pid) (\(name))"
        }
        return nil
    }

    /// proc(5), /proc/net/tcp: the local address and port in hexadecimal, the state (0A listens), and as tenth the inode.
    private static func inodes(_ port: UInt16, _ isUDP: Bool) -> Set<Substring> {
        var found: Set<Substring> = []
        for name in isUDP ? ["udp", "udp6"] : ["tcp", "tcp6"] {
            let text = (try? Files.text("/proc/net/" + name, limit: 1 << 26)) ?? ""
            for line in text.split(separator: "\n").dropFirst() {
                let fields = line.split(separator: " ")
                guard fields.count > 9, let local = fields[1].split(separator: ":").last,
                    UInt16(local, radix: 16) == port, isUDP || fields[3] == "0A"
                else { continue }
                found.insert(fields[9])
            }
        }
        return found
    }

    /// Whether a descriptor is `socket:[INODE]` of one of these.
    private static func isOne(of sockets: Set<Substring>, _ link: String) -> Bool {
        var buffer = [CChar](repeating: 0, count: 64)
        let count = readlink(link, &buffer, buffer.count)
        guard count > 0 else { return false }
        let target = String(
            decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guard target.hasPrefix("socket:["), target.hasSuffix("]") else { return false }
        return sockets.contains(target.dropFirst(8).dropLast())
    }
}

internal import Glibc

/// Whose network a job's tasks are on.
public enum Network: Sendable, Hashable, Codable {
    /// The machine's own.
    case host
    /// Each task has one of its own, with a way out, and ways in at these ports.
    case `private`(ports: [PortMapping])

    public var ports: [PortMapping] { if case .private(let ports) = self { ports } else { [] } }

    /// Ports of a node that one task alone can have.
    public var fixedPorts: [PortMapping] { ports.filter { $0.hostPort != 0 } }
}

extension KeyedDecodingContainer {
    /// Specs of before there were private networks name none.
    public func decode(_ type: Network.Type, forKey key: Key) throws -> Network {
        try decodeIfPresent(type, forKey: key) ?? .host
    }
}

/// A port of the node that leads to one of a task's private network.
public struct PortMapping: Sendable, Hashable, Codable {
    public enum Transport: String, Sendable, Codable { case tcp, udp }

    /// Where the node listens, an IPv4 or IPv6 address; `0.0.0.0` and `::` let other machines in.
    public var address: String
    /// 0 means one that is free when the task starts.
    public var hostPort: UInt16
    public var taskPort: UInt16
    public var transport: Transport

    public init(
        address: String = loopback, hostPort: UInt16, taskPort: UInt16, transport: Transport = .tcp
    ) {
        self.address = address
        self.hostPort = hostPort
        self.taskPort = taskPort
        self.transport = transport
    }

    /// Where nothing else is said: only this machine's own users get in.
    public static let loopback = "127.0.0.1"

    /// Of the environment of a task: `MARTLET_PORT_8888`, `MARTLET_PORT_53_UDP`.
    public var variable: String {
        "MARTLET_PORT_\(taskPort)" + (transport == .udp ? "_UDP" : "")
    }

    /// Whether both cannot be had at once on one node.
    public func conflicts(with other: PortMapping) -> Bool {
        guard hostPort != 0, hostPort == other.hostPort, transport == other.transport else {
            return false
        }
        return address == other.address || isEverywhere || other.isEverywhere
    }

    /// `::` takes the IPv4 addresses as well, ipv6(7).
    private var isEverywhere: Bool { ["0.0.0.0", "::"].contains(address) }

    /// `127.0.0.1:8888`, `[::1]:53/udp`: where one goes to get in.
    public var hostName: String {
        let host = address.utf8.contains(UInt8(ascii: ":")) ? "[\(address)]" : address
        return "\(host):\(hostPort == 0 ? "any" : "\(hostPort)")"
            + (transport == .udp ? "/udp" : "")
    }
}

extension PortMapping: CustomStringConvertible {
    /// `127.0.0.1:18888 -> 8888`.
    public var description: String { "\(hostName) -> \(taskPort)" }
}

// MARK: As people write it

extension PortMapping {
    /// What is wrong with a text, and what to write.
    public struct Malformed: Error, Hashable {
        public let message: String
        public let hint: String
    }

    /// Most ports of one text.
    public static let longestRange = 1024

    /// `8888` (both sides the same), `18888:8888`, `:8888` and `0:8888` (any free one of the node), each with an address in front
    /// (`127.0.0.1:8080:80`, `[::1]:8080:80`) and `/tcp` or `/udp` behind; `9000-9002:9000-9002` is three.
    public static func parse(_ text: String) throws(Malformed) -> [PortMapping] {
        var rest = text[...]
        var transport = Transport.tcp
        if let slash = rest.lastIndex(of: "/") {
            guard let known = Transport(rawValue: String(rest[rest.index(after: slash)...])) else {
                throw malformed(
                    text, "'\(rest[rest.index(after: slash)...])' is neither tcp nor udp")
            }
            transport = known
            rest = rest[..<slash]
        }
        let address = try takeAddress(&rest, of: text)
        let parts = rest.split(separator: ":", omittingEmptySubsequences: false)
        guard let last = parts.last, parts.count <= 2, address == nil || parts.count == 2 else {
            throw malformed(text, "'\(text)' is not a port")
        }
        let inside = try range(last, of: text)
        guard inside.lowerBound > 0 else { throw malformed(text, "a task has no port 0") }
        var outside: ClosedRange<UInt16>?
        if parts.count == 1 { outside = inside }
        if parts.count == 2, !parts[0].isEmpty, parts[0] != "0" {
            outside = try range(parts[0], of: text)
        }
        if let outside {
            guard outside.lowerBound > 0, outside.count == inside.count else {
                throw malformed(
                    text,
                    "'\(text)' has \(outside.count) ports on one side and \(inside.count) on the other"
                )
            }
        }
        return inside.enumerated().map { place, port in
            PortMapping(
                address: address ?? loopback,
                hostPort: outside.map { $0.lowerBound + UInt16(place) } ?? 0, taskPort: port,
                transport: transport)
        }
    }

    private static func takeAddress(_ rest: inout Substring, of text: String) throws(Malformed)
        -> String?
    {
        var address: Substring
        if rest.first == "[" {
            guard let end = rest.firstIndex(of: "]"),
                rest[rest.index(after: end)...].first == ":"
            else { throw malformed(text, "'\(text)' is not a port") }
            address = rest[rest.index(after: rest.startIndex)..<end]
            rest = rest[end...].dropFirst(2)
        } else {
            let parts = rest.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count == 3 || parts.count == 2 && parts[0].contains(".") else { return nil }
            address = parts[0]
            rest = rest.dropFirst(address.count + 1)
        }
        var bytes = in6_addr()
        guard
            inet_pton(AF_INET, String(address), &bytes) == 1
                || inet_pton(AF_INET6, String(address), &bytes) == 1
        else { throw malformed(text, "'\(address)' is not an address") }
        return String(address)
    }

    private static func range(_ text: Substring, of whole: String) throws(Malformed)
        -> ClosedRange<UInt16>
    {
        let ends = text.split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count <= 2, let first = ends.first.flatMap({ UInt16($0) }),
            let last = ends.last.flatMap({ UInt16($0) }), first <= last
        else { throw malformed(whole, "'\(text)' is not a port, 1 to 65535, nor a range of them") }
        guard last - first < longestRange else {
            throw malformed(whole, "'\(text)' has more than \(longestRange) ports")
        }
        return first...last
    }

    private static func malformed(_ text: String, _ message: String) -> Malformed {
        Malformed(
            message: message,
            hint:
                "write 8888:8888, :8888 for any free port of the node, 127.0.0.1:8080:80, 9000-9002:9000-9002 or 5353:53/udp"
        )
    }
}

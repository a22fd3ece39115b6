internal import Glibc
internal import LinuxSystem

/// A conversation with systemd: methods of org.freedesktop.systemd1.Manager over D-Bus, one at a time.
final class SystemdConnection {
    private let socket: OwnedFD
    private let deadline: Int64
    private var serial: UInt32 = 0
    private var unread: [UInt8] = []
    /// Signals that came between a call and its reply.
    private var signals: [DBusMessage] = []

    /// Milliseconds for a whole conversation; as long as D-Bus libraries wait for one reply.
    private static let patience: Int64 = 25_000

    /// The machine's systemd, or this user's own.
    init(isUser: Bool) throws(SystemError) {
        deadline = Clock.monotonic() + Self.patience
        let (address, isBus) = try Self.address(isUser)
        socket = try UnixSocket.connect(address, .stream)
        try authenticate()
        if isBus {
            _ = try call("Hello", to: .bus)
            let rule = "type='signal',interface='\(Peer.systemd.interface)',member='JobRemoved'"
            _ = try call("AddMatch", [.value(.string(rule))], to: .bus)
        }
        // systemd says nothing until somebody asks it to.
        _ = try call("Subscribe")
    }

    /// A bus, or where none runs, systemd's own socket, on which it speaks to root and to its user.
    private static func address(_ isUser: Bool) throws(SystemError) -> (String, isBus: Bool) {
        let environment = ProcessEnvironment.all()
        let run = environment["XDG_RUNTIME_DIR"] ?? "/run/user/\(getuid())"
        let named =
            environment[isUser ? "DBUS_SESSION_BUS_ADDRESS" : "DBUS_SYSTEM_BUS_ADDRESS"] ?? ""
        let bus =
            path(named) ?? (isUser ? run + "/bus" : "/run/dbus/system_bus_socket")
        if Files.exists(bus) { return (bus, true) }
        let own = (isUser ? run : "/run") + "/systemd/private"
        guard Files.exists(own) else {
            throw SystemError(
                "find", isUser ? "systemd of this user" : "systemd", errno: ENOENT,
                hint: "neither \(bus) nor \(own) is there; --cgroup-manager cgroupfs needs none")
        }
        return (own, false)
    }

    /// D-Bus Specification, "Server Addresses": the first of `unix:path=…,guid=…;…` that has a path.
    private static func path(_ addresses: String) -> String? {
        for address in addresses.split(separator: ";") where address.hasPrefix("unix:") {
            for pair in address.dropFirst(5).split(separator: ",") where pair.hasPrefix("path=") {
                return String(pair.dropFirst(5))
            }
        }
        return nil
    }

    /// SASL EXTERNAL: who this is, the kernel says. In a user namespace no number of ours would be right.
    private func authenticate() throws(SystemError) {
        try send(Array("\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n".utf8))
        var lines: [String] = []
        while lines.count < 2 {
            guard let end = unread.firstIndex(of: UInt8(ascii: "\n")) else {
                try receive()
                continue
            }
            lines.append(String(decoding: unread[..<end], as: UTF8.self))
            unread.removeFirst(end + 1)
        }
        guard lines[1].hasPrefix("OK") else {
            throw SystemError(
                "authenticate", "to systemd", errno: EACCES, hint: "it said \(lines[1])")
        }
    }

    // MARK: Calls

    struct Peer {
        let destination, path, interface: String
        static let systemd = Peer(
            destination: "org.freedesktop.systemd1", path: "/org/freedesktop/systemd1",
            interface: "org.freedesktop.systemd1.Manager")
        static let bus = Peer(
            destination: "org.freedesktop.DBus", path: "/org/freedesktop/DBus",
            interface: "org.freedesktop.DBus")
    }

    /// Returns the strings of the reply.
    func call(_ method: String, _ arguments: [DBusArgument] = [], to peer: Peer = .systemd)
        throws(SystemError) -> Result<[String], SystemdRefusal>
    {
        serial += 1
        try send(Self.encode(method, arguments, peer, serial))
        while true {
            let message = try next()
            switch message.kind {
            case .reply where message.replyTo == serial: return .success(message.strings)
            case .error where message.replyTo == serial:
                return .failure(
                    SystemdRefusal(name: message.errorName, text: message.strings.first ?? ""))
            case .signal: signals.append(message)
            default: continue
            }
        }
    }

    /// systemd's answer to a job that a call has begun: `done`, `failed`, `timeout` …
    func result(ofJob job: String) throws(SystemError) -> String {
        while true {
            // JobRemoved(u id, o job, s unit, s result)
            if let at = signals.firstIndex(where: {
                $0.member == "JobRemoved" && $0.strings.count >= 3 && $0.strings[0] == job
            }) {
                return signals[at].strings[2]
            }
            let message = try next()
            if message.kind == .signal { signals.append(message) }
        }
    }

    private static func encode(
        _ method: String, _ arguments: [DBusArgument], _ peer: Peer, _ serial: UInt32
    ) -> [UInt8] {
        var body = DBusWriter()
        for argument in arguments { body.put(argument) }
        var out = DBusWriter()
        // Little-endian, a call, no flags, version 1.
        for byte in [UInt8(ascii: "l"), DBusMessage.Kind.call.rawValue, 0, 1] { out.put(byte) }
        out.put(UInt32(body.bytes.count))
        out.put(serial)
        let signature = arguments.map(\.signature).joined()
        // "Header Fields": their codes and types.
        out.putArray(of: 8) { fields in
            for (code, type, text) in [
                (1, "o", peer.path), (2, "s", peer.interface), (3, "s", method),
                (6, "s", peer.destination),
            ] as [(UInt8, String, String)] {
                fields.align(8)
                fields.put(code)
                fields.put(signature: type)
                fields.put(text)
            }
            guard !signature.isEmpty else { return }
            fields.align(8)
            fields.put(UInt8(8))
            fields.put(signature: "g")
            fields.put(signature: signature)
        }
        out.align(8)
        return out.bytes + body.bytes
    }

    // MARK: Bytes

    private func next() throws(SystemError) -> DBusMessage {
        while true {
            if unread.count >= 16 {
                let length = DBusMessage.length(unread)
                // The specification's own limit is 128 MiB; nothing that is asked for here comes near.
                guard length <= 1 << 24 else { throw DBusReader.malformed }
                if unread.count >= length {
                    let message = Array(unread[..<length])
                    unread.removeFirst(length)
                    return try DBusMessage(message)
                }
            }
            try receive()
        }
    }

    private func receive() throws(SystemError) {
        var poller = pollfd(fd: socket.raw, events: Int16(POLLIN), revents: 0)
        let left = deadline - Clock.monotonic()
        guard left > 0, poll(&poller, 1, Int32(clamping: left)) > 0 else {
            throw SystemError("ask", "systemd", errno: ETIMEDOUT, hint: "it does not answer")
        }
        var chunk = [UInt8](repeating: 0, count: 16_384)
        guard let (count, _) = try UnixSocket.receive(socket.raw, into: &chunk) else { return }
        guard count > 0 else {
            throw SystemError("ask", "systemd", errno: ECONNRESET, hint: "it hung up")
        }
        unread += chunk[..<count]
    }

    private func send(_ bytes: [UInt8]) throws(SystemError) {
        try Files.writeAll(socket.raw, bytes, "systemd")
    }
}

/// What systemd refused, by its name: `org.freedesktop.systemd1.NoSuchUnit`.
struct SystemdRefusal: Error {
    let name: String
    let text: String
}

internal import Glibc
internal import JobModel
internal import LinuxSystem
internal import NodeLink

/// A way to what a task serves, for programs on other machines: each connection is a session of its own.
extension Agent {
    func connect(_ id: Int64, to port: UInt16, of attempt: AttemptID) throws(SystemError) {
        guard let started = live[attempt]?.started,
            let template = templates.find(attempt.task.job)
        else {
            throw SystemError(
                "connect to", "port \(port) of task \(attempt.task)", errno: ESRCH,
                hint: "it does not run on this node")
        }
        let places = Self.places(of: port, template.spec.network, started.ports ?? [])
        let session = Session(loop, endsWithOutput: true) { [unowned self] in
            self.sessions.open[id] = nil
        }
        sessions.open[id] = session
        try connect(id, session, places[...], "port \(port) of task \(attempt.task)")
    }

    /// Where a task's port is reached from the node itself, the likeliest first.
    static func places(of port: UInt16, _ network: Network, _ chosen: [PortMapping])
        -> [(host: String, port: UInt16)]
    {
        guard case .private = network else { return [("127.0.0.1", port), ("::1", port)] }
        return chosen.filter { $0.taskPort == port && $0.transport == .tcp }.map {
            let host =
                switch $0.address {
                case "0.0.0.0": "127.0.0.1"
                case "::": "::1"
                default: $0.address
                }
            return (host, $0.hostPort)
        }
    }

    private func connect(
        _ id: Int64, _ session: Session, _ places: ArraySlice<(host: String, port: UInt16)>,
        _ subject: String, failure: Int32 = ECONNREFUSED
    ) throws(SystemError) {
        guard let place = places.first else {
            sessions.open[id] = nil
            throw SystemError("connect to", subject, errno: failure)
        }
        let socket: Int32
        do throws(SystemError) {
            socket = try TCPSocket.connect(place.host, place.port).release()
        } catch {
            return try connect(id, session, places.dropFirst(), subject, failure: error.errno)
        }
        try loop.watch(socket, for: .write) { [unowned self] _ in
            self.loop.forget(socket)
            // Whoever wanted it may have hung up.
            guard self.sessions.open[id] === session else {
                close(socket)
                return
            }
            let outcome = TCPSocket.outcome(socket)
            guard outcome != 0 else { return self.connected(id, session, socket) }
            close(socket)
            do throws(SystemError) {
                try self.connect(id, session, places.dropFirst(), subject, failure: outcome)
            } catch { self.refuse(id, error) }
        }
    }

    private func connected(_ id: Int64, _ session: Session, _ socket: Int32) {
        // Written to by a descriptor of its own: each can be watched for itself.
        let writer = fcntl(socket, F_DUPFD_CLOEXEC, 3)
        session.connect(input: writer < 0 ? nil : writer, [.init(.stdout, socket)])
        session.open { [unowned self] in self.tell(id, $0) }
    }
}

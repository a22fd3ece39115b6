internal import CLinux
internal import Glibc
internal import LinuxSystem

/// What connects one container's private network: a pasta of its own, the launcher's child as the container is.
final class NetworkConnection {
    let program: String
    let ports: [ContainerSpec.Port]
    let machine: MachineNetwork
    /// Until pasta has the ports.
    var reservations: [PortReservation]
    /// 0 where it does not run.
    var pid: pid_t = 0
    /// In the table of containers.
    var entry = -1
    /// Where it talks until it is ready; then -1.
    var output: Int32 = -1
    var said: [UInt8] = []
    /// The container has ended before it, and its exit is told once the ports are free again.
    var containerEnd: cl_exit?

    init(
        program: String, ports: [ContainerSpec.Port], reservations: [PortReservation],
        machine: MachineNetwork
    ) {
        self.program = program
        self.ports = ports
        self.reservations = reservations
        self.machine = machine
    }
}

extension Launcher {
    /// What a spec with a private network needs of the machine, before anything is started. Throws where a port is taken or pasta
    /// is missing.
    func prepareNetwork(_ spec: inout ContainerSpec) throws(SystemError) -> NetworkConnection? {
        guard case .private(var ports) = spec.network else { return nil }
        let program = try Pasta.find()
        var reservations: [PortReservation] = []
        for place in ports.indices {
            let reservation = try PortReservation(
                address: ports[place].address, port: ports[place].hostPort,
                isUDP: ports[place].isUDP)
            reservations.append(reservation)
            ports[place].hostPort = reservation.port
            if !ports[place].variable.isEmpty {
                spec.environment.append("\(ports[place].variable)=\(reservation.port)")
            }
        }
        spec.network = .private(ports)
        let machine = MachineNetwork.read()
        if machine.asksLoopback { try useOwnResolvers(&spec, machine) }
        return NetworkConnection(
            program: program, ports: ports, reservations: reservations, machine: machine)
    }

    /// In place of the machine's file, unless the spec mounts another there.
    private func useOwnResolvers(_ spec: inout ContainerSpec, _ machine: MachineNetwork)
        throws(SystemError)
    {
        let (theirs, ours) = ("/etc/resolv.conf", directory + "/resolv.conf")
        try Files.writeAtomically(ours, machine.resolversInside.utf8, mode: 0o644, durable: false)
        let isTaken = spec.mounts.contains { $0.destination == theirs && $0.source != theirs }
        guard !isTaken else { return }
        spec.mounts.removeAll { $0.destination == theirs }
        spec.mounts.append(.init(.hostFile, source: ours, destination: theirs, readOnly: true))
    }

    /// The child has made its network and handed it over. Takes `network`.
    func connectNetwork(of id: String, _ network: Int32) {
        defer { close(network) }
        guard let connection = running[id]?.network, connection.pid == 0 else { return }
        do throws(SystemError) {
            try startPasta(connection, id, network)
        } catch {
            failNetwork(of: id, error)
        }
    }

    private func startPasta(_ connection: NetworkConnection, _ id: String, _ network: Int32)
        throws(SystemError)
    {
        var ends: [Int32] = [-1, -1]
        // Not close-on-exec: every child closes what it does not know before it runs a program.
        try checkErrno(pipe(&ends), "pipe")
        let (reader, writer) = (ends[0], ends[1])
        defer { close(writer) }
        connection.output = reader
        try loop.watch(reader, for: .read) { [unowned self] _ in self.hearPasta(of: id) }
        let entry = try table.begin()
        let arguments = Pasta.arguments(connection.ports, connection.machine)
        let child = cl_clone3(0, table.pid(entry), -1)
        if child == 0 { runPasta(connection.program, arguments, network, writer) }
        guard child > 0 else {
            table.end(entry)
            throw SystemError("clone3", "pasta", errno: Int32(-child))
        }
        table.begun(entry)
        (connection.pid, connection.entry) = (pid_t(child), entry)
        byNetwork[pid_t(child)] = id
    }

    /// In the child. Never returns.
    private func runPasta(
        _ program: String, _ arguments: [String], _ network: Int32, _ output: Int32
    ) -> Never {
        _ = cl_prctl(PR_SET_PDEATHSIG, UInt(SIGKILL), 0, 0, 0)
        // It may have died before that call.
        if !table.isLauncherAlive { _exit(1) }
        for (from, to) in [(network, Int32(0)), (output, 1), (output, 2)] { dup2(from, to) }
        _ = cl_close_range(3, UInt32.max, 0)
        Self.resetSignals()
        // Not what the launcher keeps for privileged containers. Where it cannot be said, pasta drops what it does not need.
        try? Capabilities.keep(Capabilities.pasta)
        let argv = ContainerChild.pointers(arguments)
        let environment = ContainerChild.pointers([])
        execve(program, argv, environment)
        let said = "\(program): \(SystemError.text(errno))\n"
        _ = write(1, said, said.utf8.count)
        _exit(127)
    }

    /// Its pid on a line of its own says that it is ready; the end of its output before that, that it never will be.
    private func hearPasta(of id: String) {
        guard let connection = running[id]?.network, connection.output >= 0 else { return }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = read(connection.output, &buffer, buffer.count)
        if count > 0 {
            connection.said += buffer[..<count]
            let lines = connection.said.split(separator: UInt8(ascii: "\n"))
            guard lines.contains(where: { $0.elementsEqual("\(connection.pid)".utf8) }) else {
                return
            }
            connection.reservations = []
            closeOutput(of: connection)
            if let status = running[id]?.status, status >= 0 {
                // The child may have died meanwhile; its end comes by SIGCHLD.
                _ = try? UnixSocket.send(status, [1])
            }
        } else {
            let complaint = Pasta.complaint(connection.said)
            failNetwork(
                of: id,
                SystemError(
                    "network", "pasta", errno: ENETDOWN,
                    hint: complaint.isEmpty ? "it ended without a word" : complaint))
        }
    }

    private func closeOutput(of connection: NetworkConnection) {
        guard connection.output >= 0 else { return }
        loop.forget(connection.output)
        close(connection.output)
        connection.output = -1
        connection.said = []
    }

    /// The container cannot be connected, and so never begins.
    private func failNetwork(of id: String, _ error: SystemError) {
        guard let container = running[id] else { return }
        if let connection = container.network { closeOutput(of: connection) }
        running[id]?.failure = (
            error.step, error.subject + (error.hint.map { " (\($0))" } ?? ""), error.errno
        )
        kill(container.pid, SIGKILL)
    }

    /// The container has ended: true where its pasta has still to end, which is told to.
    func awaitsNetworkEnd(_ id: String, _ child: cl_exit) -> Bool {
        guard let connection = running[id]?.network else { return false }
        closeOutput(of: connection)
        connection.reservations = []
        guard connection.pid > 0 else { return false }
        connection.containerEnd = child
        kill(connection.pid, SIGKILL)
        return true
    }

    /// Pasta has been reaped.
    func networkEnded(_ id: String) {
        guard let connection = running[id]?.network else { return }
        table.end(connection.entry)
        connection.pid = 0
        if let child = connection.containerEnd { return finish(id, child) }
        // Before it was ready, the end of its output tells why. Later, the task goes on with its loopback alone.
        if connection.output < 0 { note("the network of \(id) has ended: pasta has died") }
    }
}

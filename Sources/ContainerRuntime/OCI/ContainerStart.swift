internal import CLinux
internal import Glibc
internal import LinuxSystem
package import OCIRuntimeSpec

/// `start`: lets a created container's process become its program (runtime.md, "Lifecycle", steps 6 to 9).
package enum ContainerStarting {
    /// By the socket that it waits on.
    package static func start(_ home: ContainerHome) throws {
        let record = try home.locked {
            let record = try home.read()
            let status = home.status(record)
            guard status == .created else {
                throw SystemError(
                    "start", home.id, errno: EBUSY,
                    hint: "it is \(status.rawValue), and only a created container can be started")
            }
            let socket = try UnixSocket.connect(anywhere: home.startPath, .messages)
            _ = try UnixSocket.send(socket.raw, [1])
            try awaitProgram(socket.raw, home, record)
            unlink(home.startPath)
            return record
        }
        try runHooks(home, record)
    }

    /// The end of the connection comes with exec; anything before it is the step that failed.
    package static func awaitProgram(
        _ status: Int32, _ home: ContainerHome, _ record: ContainerRecord
    ) throws {
        var buffer = [UInt8](repeating: 0, count: ContainerChild.longestMessage)
        while let (count, descriptors) = try UnixSocket.receive(status, into: &buffer), count > 0 {
            guard buffer[0] == ContainerChild.Told.listener else {
                let failure = ContainerChild.decode(buffer[1..<count])
                throw SystemError(failure.step, failure.subject, errno: failure.errno)
            }
            do {
                try home.handOver(descriptors, record.state(.running), try home.spec())
            } catch {
                // Its calls would wait for a supervisor that never comes.
                kill(record.pid, SIGKILL)
                throw error
            }
        }
    }

    /// poststart. One that fails ends the container, as with runc: it may be what guards it.
    package static func runHooks(_ home: ContainerHome, _ record: ContainerRecord) throws {
        let spec = try home.spec()
        do {
            try ContainerChild.run(
                spec.hooks.poststart, field: "hooks.poststart", state: record.state(.running),
                pid: record.pid)
        } catch {
            kill(record.pid, SIGKILL)
            throw error
        }
    }
}

extension ContainerHome {
    /// Compiled, or found among those that were.
    func filter(for spec: SeccompSpec) throws -> SeccompFilter {
        try SeccompCache(directory: RootedPath.split(path).parent + "/.seccomp").filter(for: spec)
    }

    /// Gives a filter's notify descriptor to its supervisor (config-linux.md, "The Container Process State").
    func handOver(_ descriptors: [Int32], _ state: ContainerState, _ spec: RuntimeSpec) throws {
        defer { for fd in descriptors { close(fd) } }
        guard let descriptor = descriptors.first, let seccomp = spec.linux.seccomp,
            let path = seccomp.listenerPath
        else { return }
        let process = ContainerProcessState(
            pid: state.pid ?? 0, metadata: seccomp.listenerMetadata, state: state)
        try SeccompListener(connectingTo: path).send(process.json(), listener: descriptor)
    }

    /// config.json as it was at `create`.
    package func spec() throws -> RuntimeSpec {
        try RuntimeSpec(json: try Files.read(configPath, limit: 1 << 24), name: "config.json")
    }
}

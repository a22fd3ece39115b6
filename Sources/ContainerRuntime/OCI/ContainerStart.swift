internal import CLinux
internal import Glibc
package import LinuxSystem
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
            try awaitProgram(socket.raw, home)
            unlink(home.startPath)
            return record
        }
        try runHooks(home, record)
    }

    /// The end of the connection comes with exec; anything before it is the step that failed.
    package static func awaitProgram(_ status: Int32, _ home: ContainerHome) throws(SystemError) {
        var buffer = [UInt8](repeating: 0, count: ContainerChild.longestMessage)
        guard let (count, _) = try UnixSocket.receive(status, into: &buffer), count > 0 else {
            return
        }
        let failure = ContainerChild.decode(buffer[1..<count])
        throw SystemError(failure.step, failure.subject, errno: failure.errno)
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
    /// config.json as it was at `create`.
    package func spec() throws -> RuntimeSpec {
        try RuntimeSpec(json: try Files.read(configPath, limit: 1 << 24), name: "config.json")
    }
}

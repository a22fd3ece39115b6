import Foundation
import Synchronization
import Testing

/// A container engine that runs its containers by this runtime: with directories of its own, and with no network, so that
/// nothing of the machine is touched.
final class Engine: Sendable {
    enum Kind: String, Sendable { case podman, docker }

    static let image = "localhost/busybox:1"
    let sandbox: Sandbox
    let kind: Kind
    private let daemon: Daemon?

    private init(_ kind: Kind) throws {
        self.kind = kind
        sandbox = try Sandbox()
        if kind == .podman { try Self.configure(sandbox) }
        daemon = kind == .docker ? try Daemon(sandbox) : nil
        let root = try sandbox.busyboxRoot()
        let command = words.map { "'\($0)'" }.joined(separator: " ")
        try sandbox.shell("tar -C '\(root)' -c . | \(command) import - \(Self.image)")
    }

    private static let runtime = Sandbox.binaries + "/martlet-runtime"

    /// podman of Debian 12 has a `--runtime-flag`, which it forgets when it cleans up: a script has the flag instead. Its usual
    /// limits are beyond what root may have in a container.
    private static func configure(_ sandbox: Sandbox) throws {
        let script = try sandbox.write(
            "runtime", "#!/bin/sh\nexec \(runtime) --root \(sandbox.folder)/state \"$@\"\n")
        try sandbox.tool("chmod", "755", script)
        _ = try sandbox.write(
            "containers.conf",
            """
            [containers]
            default_ulimits = ["nofile=1024:1024", "nproc=999:999"]
            """)
    }

    /// Where the runtime keeps its containers: dockerd names that after its default one.
    private var state: String {
        sandbox.folder + (kind == .docker ? "/exec/runtime-runc/moby" : "/state")
    }

    private var words: [String] {
        switch kind {
        case .podman:
            [
                "env", "CONTAINERS_CONF=" + sandbox.folder + "/containers.conf",
                "podman", "--root", sandbox.folder + "/root", "--runroot", sandbox.folder + "/run",
                "--tmpdir", sandbox.folder + "/tmp", "--storage-driver", "vfs",
                "--cgroup-manager", "cgroupfs", "--events-backend", "none",
                "--runtime", sandbox.folder + "/runtime",
            ]
        case .docker: ["docker", "--host", "unix://" + sandbox.folder + "/docker.sock"]
        }
    }

    /// Foundation learns of a process's end from a socket; one that conmon had inherited would stay open as long as a container.
    private static let closing = [
        "bash", "-c",
        #"for f in /proc/$$/fd/*; do n=${f##*/}; [ $n -le 2 ] || eval "exec $n>&-"; done; exec "$@""#,
        "bash",
    ]

    @discardableResult
    func callAsFunction(_ arguments: String...) throws -> Outcome {
        try sandbox.run(Self.closing + words + arguments)
    }

    /// One call by the shell, after a pipe.
    func piped(_ text: String, _ arguments: String...) throws -> Outcome {
        let line = (words + arguments).map { "'\($0)'" }.joined(separator: " ")
        return try sandbox.run(["/bin/sh", "-c", "printf '\(text)' | \(line)"])
    }

    /// `run`, without a network.
    func run(_ options: [String] = [], _ command: [String]) throws -> Outcome {
        try sandbox.run(
            Self.closing + words + ["run", "--network", "none"]
                + (kind == .docker ? ["--runtime", "martlet"] : []) + options
                + [Self.image] + command)
    }

    /// A container in the background, removed after `body`, which gets its name; then nothing may be left of it.
    func withContainer(
        _ options: [String] = [], _ command: [String], _ body: (String) throws -> Void
    ) throws {
        let name = "box-" + UUID().uuidString.prefix(8).lowercased()
        let started = try run(["--detach", "--name", name] + options, command)
        try #require(started.status == 0, "\(started.errors)")
        let id = started.output.trimmingCharacters(in: .whitespacesAndNewlines)
        do { try body(name) } catch {
            // What went wrong in the body is what to tell.
            _ = try? remove(name)
            throw error
        }
        let removed = try remove(name)
        #expect(removed.status == 0, "\(removed.errors)")
        let left = try sandbox.tool("find", "/sys/fs/cgroup", "-name", "*\(id)*")
        #expect(left.output == "", "cgroups are left")
        #expect(try sandbox.tool(Self.runtime, "--root", state, "list", "--quiet").output == "")
    }

    /// At once: a program that is PID 1 gets no SIGTERM that it does not ask for, and podman would wait.
    @discardableResult
    func remove(_ name: String) throws -> Outcome {
        try kind == .podman
            ? self("rm", "--force", "--time", "0", name) : self("rm", "--force", name)
    }

    /// One field of `inspect`.
    func inspect(_ name: String, _ field: String) throws -> String {
        try self("inspect", "--format", "{{\(field)}}", name).output
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }
}

extension Engine {
    /// Those that this process has started, ended with it.
    private static let started = Mutex<[Kind: Engine]>([:])

    static func shared(_ kind: Kind) throws -> Engine {
        try started.withLock { engines in
            if let engine = engines[kind] { return engine }
            if engines.isEmpty { atexit { Engine.endAll() } }
            let engine = try Engine(kind)
            engines[kind] = engine
            return engine
        }
    }

    private static func endAll() {
        started.withLock { engines in
            for engine in engines.values {
                engine.daemon?.end()
                engine.sandbox.close()
            }
        }
    }
}

/// dockerd with its own containerd, on a socket of its own.
final class Daemon: Sendable {
    private let pid: pid_t
    private let socket: String

    init(_ sandbox: Sandbox) throws {
        let folder = sandbox.folder
        socket = folder + "/docker.sock"
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [
            "dockerd", "--data-root", folder + "/data", "--exec-root", folder + "/exec",
            "--pidfile", folder + "/docker.pid", "--host", "unix://" + socket,
            "--bridge", "none", "--iptables=false", "--ip6tables=false", "--ip-forward=false",
            "--ip-masq=false", "--storage-driver", "vfs",
            "--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", "/martlet-test",
            "--default-ulimit", "nofile=1024:1024", "--add-runtime",
            "martlet=" + Sandbox.binaries + "/martlet-runtime",
        ]
        let log = folder + "/dockerd.log"
        try Data().write(to: URL(fileURLWithPath: log))
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: log))
        process.standardError = process.standardOutput
        try process.run()
        pid = process.processIdentifier
        try sandbox.waitUntil("dockerd answers") {
            try #require(process.isRunning, "dockerd: \(Machine.text(log).suffix(2000))")
            return try sandbox.run(["docker", "--host", "unix://" + socket, "version"]).status == 0
        }
    }

    /// It ends its containers and its containerd, and takes its socket away last but one.
    func end() {
        kill(pid, SIGTERM)
        let deadline = Date().addingTimeInterval(30)
        while kill(pid, 0) == 0, Date() < deadline { usleep(20_000) }
        rmdir("/sys/fs/cgroup/martlet-test")
    }
}

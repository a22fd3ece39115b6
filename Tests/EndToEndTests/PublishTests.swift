import Foundation
import Testing

/// Private networks and published ports through the built executables, as a person types it.
@Suite(
    "Published ports", .serialized,
    .enabled(if: Machine.hasExecutables, "run `make build` first"),
    .enabled(if: Machine.has("pasta", "curl"), "pasta or curl is not installed"))
struct PublishTests {
    private static let server =
        "mkdir -p /tmp/w; echo $MARTLET_TASK_INDEX on $MARTLET_PORT_8888 > /tmp/w/index.html; exec /bin/busybox httpd -f -p 8888 -h /tmp/w"

    /// As root; and as a user with no ids but its own, for whom /dev/net/tun is opened as udev would.
    private static let users: [Int?] = Machine.isRoot ? [nil, 54321] : [nil]

    private struct Ports: Decodable {
        struct Task: Decodable {
            struct Port: Decodable {
                let address: String
                let port: Int
                let taskPort: Int
            }
            let index: Int
            let state: String
            let ports: [Port]
        }
        let tasks: [Task]
    }

    private func sandbox(_ uid: Int?) throws -> Sandbox {
        try Sandbox(uid: uid, opensTun: uid != nil)
    }

    private func tasks(_ sandbox: Sandbox, _ job: String) throws -> [Ports.Task] {
        let shown = try sandbox.martlet("show", job, "--json")
        return try JSONDecoder().decode(Ports.self, from: Data(shown.output.utf8)).tasks
    }

    @Test("each notebook of a sweep gets a port, and show tells which", arguments: users)
    func notebooks(uid: Int?) throws {
        let sandbox = try sandbox(uid)
        defer { sandbox.close() }
        let submit = try sandbox.martlet(
            "submit", "--image", try sandbox.busyboxRoot(), "--name", "books", "--sweep", "i=1..3",
            "--cpus", "0", "--mount", "tmpfs:/tmp", "-p", ":8888", "--", "/bin/sh", "-c",
            Self.server)
        #expect(submit.status == 0, "\(submit.errors)")
        try sandbox.waitUntil("all run") {
            try tasks(sandbox, "books").allSatisfy { !$0.ports.isEmpty }
        }
        let running = try tasks(sandbox, "books")
        #expect(Set(running.flatMap(\.ports).map(\.port)).count == 3)
        for task in running {
            let port = try #require(task.ports.first)
            #expect(port.address == "127.0.0.1" && port.taskPort == 8888)
            let page = try sandbox.tool(
                "curl", "-sS", "--retry", "20", "--retry-all-errors", "--retry-delay", "1",
                "http://127.0.0.1:\(port.port)/")
            #expect(page.output == "\(task.index) on \(port.port)\n")
        }
        let table = try sandbox.martlet("show", "books").output
        #expect(table.contains("127.0.0.1:\(running[0].ports[0].port) -> 8888"), "\(table)")
        #expect(try sandbox.martlet("cancel", "books").status == 0)
        #expect(try sandbox.martlet("wait", "books", "--timeout", "60").status == 1)
        #expect(try tasks(sandbox, "books").allSatisfy { $0.ports.isEmpty })
        #expect(pastas(of: sandbox).isEmpty)
    }

    @Test("logs, results and collected files come from a private network as from the machine's")
    func outputs() throws {
        let sandbox = try sandbox(nil)
        defer { sandbox.close() }
        let run = try sandbox.martlet(
            "run", "--image", try sandbox.busyboxRoot(), "--name", "alone", "--network", "private",
            "--collect", "out", "--", "/bin/sh", "-c",
            "/bin/busybox ifconfig lo | grep -c LOOPBACK; echo kept > out; echo '{\"loss\": 1}' >> $MARTLET_METRICS"
        )
        #expect(run.status == 0, "\(run.output)\(run.errors)")
        let task = try #require(try sandbox.job("alone").tasks.first)
        #expect(task.metrics == ["loss": 1])
        let attempt = URL(fileURLWithPath: try #require(task.stdout)).deletingLastPathComponent()
            .path
        #expect(Machine.text(attempt + "/results/out") == "kept\n")
    }

    @Test("what cannot be published is told at the submit, with its exit status")
    func conflicts() throws {
        let sandbox = try sandbox(nil)
        defer { sandbox.close() }
        let root = try sandbox.busyboxRoot()
        let many = try sandbox.martlet(
            "submit", "--image", root, "--sweep", "i=1..2", "-p", "8888", "--", "/bin/true")
        #expect(many.status == 2 && many.errors.contains(":8888"), "\(many.errors)")
        let host = try sandbox.martlet(
            "submit", "--image", root, "--network", "host", "-p", "8888", "--", "/bin/true")
        #expect(host.status == 2 && host.errors.contains("network: private"), "\(host.errors)")

        let first = try sandbox.martlet(
            "submit", "--quiet", "--image", root, "--name", "first", "-p", ":8888", "--", "/bin/sh",
            "-c", Self.server)
        #expect(first.status == 0, "\(first.errors)")
        try sandbox.waitUntil("it runs") { try tasks(sandbox, "first")[0].state == "running" }
        // Automatic ports are not claimed by the scheduler: to everybody else this one is just taken.
        let port = try #require(try tasks(sandbox, "first")[0].ports.first).port
        let second = try sandbox.martlet(
            "submit", "--image", root, "-p", "\(port):80", "--", "/bin/true")
        #expect(second.status == 3, "\(second.errors)")
        #expect(second.errors.contains("127.0.0.1:\(port)"), "\(second.errors)")
        #expect(second.errors.contains("(pas"), "who has it: \(second.errors)")
    }

    @Test("a fixed port is handed from one job to the next")
    func handedOn() throws {
        let sandbox = try sandbox(nil)
        defer { sandbox.close() }
        let root = try sandbox.busyboxRoot()
        let port = try sandbox.tool(
            "python3", "-c",
            "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])"
        ).output.trimmingCharacters(in: .whitespacesAndNewlines)
        func submit(_ name: String, _ command: String...) throws {
            let submit = try sandbox.martlet(
                [
                    "submit", "--image", root, "--name", name, "--cpus", "0", "-p", "\(port):8888",
                    "--",
                ]
                    + command)
            try #require(submit.status == 0, "\(submit.errors)")
        }
        try submit("first", "/bin/sleep", "60")
        try sandbox.waitUntil("it runs") { try tasks(sandbox, "first")[0].state == "running" }
        try submit("second", "/bin/true")
        let reason = try #require(try sandbox.job("second").reason)
        #expect(reason.hasPrefix("waits for port 127.0.0.1:\(port) of node "), "\(reason)")
        #expect(try sandbox.martlet("cancel", "first").status == 0)
        #expect(try sandbox.martlet("wait", "second", "--timeout", "60").status == 0)
    }

    @Test("without pasta a submit says what to install")
    func noPasta() throws {
        let sandbox = try sandbox(nil)
        defer { sandbox.close() }
        let without = try sandbox.martlet(
            [
                "run", "--image", try sandbox.busyboxRoot(), "--network", "private", "--",
                "/bin/true",
            ],
            environment: ["PATH": "/bin/none"])
        #expect(without.status == 3, "\(without.output)\(without.errors)")
        #expect(without.errors.contains("passt"), "\(without.errors)")
    }

    @Test("kill -9 of everything leaves no pasta")
    func killed() throws {
        let sandbox = try sandbox(nil)
        defer { sandbox.close() }
        let submit = try sandbox.martlet(
            "submit", "--image", try sandbox.busyboxRoot(), "--name", "killed", "-p", ":8888", "--",
            "/bin/sh", "-c", Self.server)
        #expect(submit.status == 0, "\(submit.errors)")
        try sandbox.waitUntil("it runs") { try tasks(sandbox, "killed")[0].state == "running" }
        #expect(pastas(of: sandbox).count == 1)
        let pasta = pastas(of: sandbox)
        try sandbox.killEverything()
        try sandbox.waitUntil("pasta is gone") { pasta.allSatisfy { kill($0, 0) != 0 } }
    }

    /// Children of this sandbox's launcher that are pasta. Their environment is empty, their parent's is not.
    private func pastas(of sandbox: Sandbox) -> [pid_t] {
        let all = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return all.compactMap { pid_t($0) }.filter { pid in
            guard Machine.text("/proc/\(pid)/cmdline").hasPrefix("pasta\0") else { return false }
            let parent =
                Machine.text("/proc/\(pid)/status").split(separator: "\n").first {
                    $0.hasPrefix("PPid:")
                }?.dropFirst(6) ?? "0"
            return Machine.text("/proc/\(parent)/environ").contains(
                "MARTLET_HOME=\(sandbox.folder)/home\0")
        }
    }
}

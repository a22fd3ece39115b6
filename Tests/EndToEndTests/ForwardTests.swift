import Foundation
import Laboratory
import Testing

/// `martlet forward`, from the machine of the head to what tasks serve.
@Suite(
    "Forwarded ports", .serialized,
    .enabled(if: Machine.hasExecutables && Machine.has("python3", "curl"), "run `make build` first")
)
struct ForwardTests {
    /// Gives back what it was sent, once that has ended.
    private static let echo = """
        import socket, sys, threading
        def serve(peer):
            data = b""
            while piece := peer.recv(65536):
                data += piece
            peer.sendall(data)
            peer.close()
        listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
        while True:
            threading.Thread(target=serve, args=(listener.accept()[0],)).start()
        """
    private static let ask = """
        import socket, sys
        peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
        peer.sendall(open(sys.argv[2], "rb").read())
        peer.shutdown(socket.SHUT_WR)
        while piece := peer.recv(65536):
            sys.stdout.buffer.write(piece)
        """

    /// Runs the script beside `martlet forward`, whose words are in `told` and whose process is `$forward`.
    private func forward(
        _ sandbox: Sandbox, _ arguments: String, _ script: String,
        _ environment: [String: String] = [:]
    ) throws {
        try sandbox.waitUntil("it runs") {
            try sandbox.job("serves").tasks[0].state == "running"
        }
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        let outcome = try sandbox.run(
            [
                "/bin/sh", "-c",
                """
                set -e
                martlet forward \(arguments) 2> told & forward=$!
                # A test's children have signals blocked: SIGTERM would wait for ever.
                trap 'kill -9 $forward 2>/dev/null || :' EXIT
                while ! grep -q 'port' told; do kill -0 $forward; done
                door() { sed -n "s/^127.0.0.1:\\([0-9]*\\) -> port $1 .*/\\1/p" told; }
                \(script)
                """,
            ], environment: environment.merging(["PATH": "\(Sandbox.binaries):\(path)"]) { $1 })
        #expect(
            outcome.status == 0,
            "\(outcome.output)\(outcome.errors)\(Machine.text(sandbox.folder + "/told"))")
    }

    @Test(
        "what a task on another machine serves is reached by many at once, whole in both directions, until it ends",
        .enabled(if: Laboratory.isPossible, "needs root and sshd"))
    func farAway() throws {
        let laboratory = try Laboratory([.init()])
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let environment = laboratory.environment
        #expect(try sandbox.martlet("nodes", "add", "node0", environment: environment).status == 0)
        let local = try sandbox.martlet("nodes", "ls", "--quiet").output.split(separator: "\n")[0]
        #expect(try sandbox.martlet("nodes", "drain", String(local)).status == 0)
        let submit = try sandbox.martlet(
            "submit", "--name", "serves", "--image", "host", "--", "python3", "-c", Self.echo,
            "8765", environment: environment)
        #expect(submit.status == 0, "\(submit.errors)")
        _ = try sandbox.write("ask.py", Self.ask)
        try forward(
            sandbox, "serves 0:8765 0:9",
            """
            while [ -z "$(door 9)" ]; do kill -0 $forward; done
            head -c 3000000 /dev/urandom > sent
            tries=0
            until python3 ask.py $(door 8765) sent > first && cmp -s sent first; do
              tries=$((tries + 1)); test $tries -lt 1000
            done
            for i in 1 2 3 4 5 6 7 8; do python3 ask.py $(door 8765) sent > got.$i & all="$all $!"; done
            for one in $all; do wait $one; done
            for i in 1 2 3 4 5 6 7 8; do cmp sent got.$i; done
            if curl -s http://127.0.0.1:$(door 9)/; then exit 1; fi
            while ! grep -q 'port 9 of task .*: Connection refused' told; do kill -0 $forward; done
            martlet cancel serves >/dev/null
            wait $forward
            grep -q 'has ended' told
            """, environment)
    }

    @Test(
        "a published port is forwarded, and another one told",
        .enabled(if: Machine.has("pasta"), "pasta is not installed"))
    func published() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let submit = try sandbox.martlet(
            "submit", "--name", "serves", "--image", try sandbox.busyboxRoot(), "--mount",
            "tmpfs:/tmp", "-p", ":8888", "--", "/bin/sh", "-c",
            "echo here > /tmp/index.html; exec /bin/busybox httpd -f -p 8888 -h /tmp")
        #expect(submit.status == 0, "\(submit.errors)")
        try forward(
            sandbox, "serves 0:8888",
            """
            test "$(curl -sS --retry 20 --retry-all-errors --retry-delay 1 http://127.0.0.1:$(door 8888)/)" = here
            """)
        let other = try sandbox.martlet("forward", "serves", "0:80")
        #expect(other.status == 2)
        #expect(other.errors.contains("publishes no TCP port 80, but 8888"), "\(other.errors)")
        let wrong = try sandbox.martlet("forward", "serves", "http")
        #expect(wrong.status == 2 && wrong.errors.contains("write 8888"), "\(wrong.errors)")
        #expect(try sandbox.martlet("cancel", "serves").status == 0)
        #expect(try sandbox.martlet("wait", "serves", "--timeout", "60").status == 1)
        let over = try sandbox.martlet("forward", "serves", "0:8888")
        #expect(over.status == 2 && over.errors.contains("does not run"), "\(over.errors)")
    }
}

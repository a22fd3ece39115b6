import Foundation
import Testing

/// What `notify` does, with a webhook that refuses once, a mail program and a command.
@Suite(
    "Being told", .serialized,
    .enabled(if: Machine.hasExecutables && Machine.has("python3", "curl"), "run `make build` first")
)
struct NotifyTests {
    /// Refuses the first who comes; keeps what others say, each in a file named by its event.
    private static let hook = """
        import http.server, json, os, threading
        class Hook(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                isFirst = not os.path.exists("refused")
                if isFirst:
                    open("refused", "w").close()
                else:
                    with open("hook-" + json.loads(body)["event"], "wb") as file:
                        file.write(body)
                self.send_response(500 if isFirst else 200)
                self.end_headers()
        server = http.server.HTTPServer(("127.0.0.1", 0), Hook)
        with open("port.new", "w") as file:
            file.write(str(server.server_port))
        os.rename("port.new", "port")
        # Whoever waits for it in vain sees it end.
        threading.Timer(120, os._exit, (1,)).start()
        server.serve_forever()
        """

    @Test("failures are told by command, webhook and mail, also by the server after one that died")
    func failures() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        _ = try sandbox.write("hook.py", Self.hook)
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        try sandbox.tool(
            "/bin/sh", "-c",
            """
            set -e
            export PATH=$PWD/tools:\(Sandbox.binaries):\(path)
            mkdir tools
            printf '#!/bin/sh\\nexec cat > %s/mail-$$\\n' $PWD > tools/sendmail
            chmod +x tools/sendmail
            python3 hook.py >/dev/null 2>&1 & hook=$!
            # A test's children have signals blocked.
            trap 'kill -9 $hook' EXIT
            while [ ! -e port ]; do kill -0 $hook; done
            cat > told.yaml <<END
            name: told tale
            image: host
            sweep: {grid: {i: 1..4}}
            command: [/bin/sh, -c, "test {i} = 1"]
            notify:
              on: [failed, first_failure, "failures 50%"]
              run: "cat > $PWD/run-{event}; echo {job} {name} {state} >> $PWD/run-{event}"
              webhook: "http://127.0.0.1:$(cat port)/hook"
              mail: me@example.org
            END
            martlet submit --quiet told.yaml
            martlet wait 1 || [ $? = 1 ]
            while [ ! -e refused ]; do kill -0 $hook; done
            kill -9 $(martlet server status --json | sed -n 's/.*"pid" : \\([0-9]*\\).*/\\1/p')
            martlet ls >/dev/null
            for event in failed first_failure failures; do
              while [ ! -e hook-$event ] || ! grep -qs 'told_tale' run-$event; do kill -0 $hook; done
            done
            while [ "$(cat mail-* | grep -c '^To: me@example.org$')" -lt 3 ]; do kill -0 $hook; done
            """)
        func text(_ name: String) -> String { Machine.text("\(sandbox.folder)/\(name)") }
        #expect(text("run-failed").contains("3 failed"))
        #expect(text("run-failed").hasSuffix("1 told_tale failed\n"))
        #expect(text("run-first_failure").contains("a first task failed"))
        let names = try FileManager.default.contentsOfDirectory(atPath: sandbox.folder)
        let mails = names.filter { $0.hasPrefix("mail-") }.map(text)
        #expect(mails.contains { $0.contains("\nSubject: martlet: job 1, told tale: failed\n") })
        let hook = try #require(
            try JSONSerialization.jsonObject(with: Data(text("hook-failed").utf8))
                as? [String: Any])
        #expect((hook["job"] as? [String: Any])?["name"] as? String == "told tale")
    }

    @Test("what cannot be told is an error of the spec, with its place")
    func mistakes() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        for (notify, word) in [
            ("{on: finished}", "needs a command, a webhook or an address"),
            ("{on: later, run: x}", "later"),
            ("{on: finished, webhook: \"ftp://x\"}", "is no URL"),
            ("{on: finished, mail: \"me@x.org, you@x.org\"}", "is no address"),
            ("{on: \"failures 200%\", run: x}", "names no number"),
        ] {
            let spec = try sandbox.write(
                "s.yaml", "image: host\ncommand: [/bin/true]\nnotify: \(notify)\n")
            let refused = try sandbox.martlet("submit", spec)
            #expect(refused.status == 2, "\(notify)")
            #expect(
                refused.errors.contains("s.yaml:3:") && refused.errors.contains(word),
                "\(refused.errors)")
        }
    }
}

import Foundation
import Testing

/// What people type wrongly: where it is, what it is, what to do, exit status 2, and nothing submitted.
@Suite("Bad input", .enabled(if: Machine.hasExecutables, "run `make build` first"))
struct BadInputTests {
    struct BadSpec: Sendable, CustomTestStringConvertible {
        let title: String
        let lines: [String]
        /// `line:column` of the diagnostic.
        let place: String
        let says: String
        var testDescription: String { title }
    }

    static let specs: [BadSpec] = [
        BadSpec(
            title: "unknown key", lines: ["image: host", "comand: [a]", "command: [b]"],
            place: "2:1", says: "command"),
        BadSpec(
            title: "wrong type", lines: ["image: host", "command: [a]", "resources: {cpus: many}"],
            place: "3:19", says: "cpus"),
        BadSpec(
            title: "unknown placeholder",
            lines: [
                "image: host", "command: [a, '{leaning_rate}']",
                "sweep: {grid: {learning_rate: [1]}}",
            ],
            place: "2:15", says: "learning_rate"),
        BadSpec(
            title: "duplicate parameter",
            lines: [
                "image: host", "command: [a]", "sweep:", "  grid: {lr: [1]}", "  zip: {lr: [1, 2]}",
            ], place: "5:9", says: "lr"),
        BadSpec(
            title: "duplicate key", lines: ["image: host", "command: [a]", "image: other"],
            place: "3:1", says: "image"),
        BadSpec(
            title: "empty sweep",
            lines: ["image: host", "command: [a]", "sweep: {grid: {lr: []}}"], place: "3:20",
            says: "lr"),
        BadSpec(
            title: "zip of unequal lengths",
            lines: ["image: host", "command: [a]", "sweep: {zip: {a: [1, 2], b: [1, 2, 3]}}"],
            place: "3:29", says: "3"),
        BadSpec(
            title: "bad duration",
            lines: ["image: host", "command: [a]", "limits: {time: 2 fortnights}"], place: "3:16",
            says: "fortnights"),
        BadSpec(
            title: "bad size", lines: ["image: host", "command: [a]", "resources: {memory: lots}"],
            place: "3:21", says: "lots"),
        BadSpec(
            title: "where with an unknown name",
            lines: [
                "image: host", "command: [a]", "sweep:", "  grid: {width: [1]}",
                "  where: widht > 3",
            ], place: "5:10", says: "width"),
        BadSpec(
            title: "missing command and image", lines: ["name: empty"], place: "1:1", says: "image"),
        BadSpec(
            title: "not YAML at all", lines: ["image: host", "command: [a"], place: "3:1",
            says: "YAML"),
    ]

    @Test("a bad spec names file, line and column", arguments: specs)
    func badSpec(_ bad: BadSpec) throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let path = try sandbox.write("bad.yaml", bad.lines.joined(separator: "\n") + "\n")
        let outcome = try sandbox.martlet("submit", path)
        #expect(outcome.status == 2, "\(outcome.errors)")
        #expect(outcome.errors.contains("bad.yaml:\(bad.place):"), "\(outcome.errors)")
        #expect(outcome.errors.contains(bad.says), "\(outcome.errors)")
        #expect(outcome.output.isEmpty)
        #expect(
            !FileManager.default.fileExists(atPath: sandbox.folder + "/home/state/jobs/1"),
            "nothing is submitted")
    }

    @Test(
        "a bad image reference says what is wrong with it",
        arguments: [
            ("Library/Python:3", Int32(2), "lower"),
            ("python:tag with space", 2, "tag"),
            ("python@sha256:1234", 2, "digest"),
            ("", 2, "image"),
            ("127.0.0.1:1/nothing:here", 3, "127.0.0.1:1"),
            ("./no-such-directory", 2, "no-such-directory"),
        ])
    func badReference(reference: String, status: Int32, says: String) throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let outcome = try sandbox.martlet("run", "--image", reference, "--", "true")
        #expect(outcome.status == status, "\(outcome.errors)")
        #expect(outcome.errors.lowercased().contains(says), "\(outcome.errors)")
    }

    @Test(
        "usage errors exit with 2",
        arguments: [
            ["runn"], ["run", "--no-such-flag"], ["show", "4_x"], ["run", "/"],
            ["run", "--image", "host", "--sweep", "lr", "--", "true"],
        ])
    func usage(arguments: [String]) throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let outcome = try sandbox.martlet(arguments)
        #expect(outcome.status == 2, "\(outcome.output)\(outcome.errors)")
        #expect(!outcome.errors.isEmpty)
    }

    @Test("without a reader a run keeps its own status, and what cannot be written is told")
    func output() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        func bash(_ script: String) throws -> Outcome {
            try sandbox.run(["bash", "-c", script, "bash", Sandbox.binaries + "/martlet"])
        }
        let run = try bash(
            #""$1" run --image host --sweep a=1,2 -- false | :; exit ${PIPESTATUS[0]}"#)
        #expect(run.status == 1, "\(run.errors)")
        let full = try bash(#""$1" results 1 --csv >/dev/full"#)
        #expect(full.status == 3)
        #expect(full.errors.contains("No space left"), "\(full.errors)")
        // The reader has gone before the first byte.
        let gone = try bash(
            #"exec 3> >(:); wait $!; "$1" run --image host --sweep a=1..9 --dry-run -- echo {a} >&3"#
        )
        #expect(gone.status == 128 + SIGPIPE)
        let good = try sandbox.martlet("run", "--image", "host", "--", "true")
        #expect(good.status == 0 && !good.output.hasSuffix("\n\n"), "\(good.output)")
    }

    @Test(
        "a task that a job does not have is a usage error, and a job that cannot run does not keep `wait`"
    )
    func absent() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        #expect(try sandbox.martlet("run", "--image", "host", "--", "true").status == 0)
        for words in [
            ["show", "1_99"], ["logs", "1_99"], ["cancel", "1_99"], ["retry", "1_99"],
            ["wait", "1_99"], ["wait", "1_0"], ["results", "1_1"],
        ] {
            let outcome = try sandbox.martlet(words)
            #expect(outcome.status == 2, "\(words): \(outcome.output)\(outcome.errors)")
        }
        #expect(
            try sandbox.martlet("submit", "--image", "127.0.0.1:1/x", "--", "true").status == 0)
        let failed = try sandbox.martlet("wait", "2", "--timeout", "60")
        #expect(failed.status == 3)
        #expect(failed.errors.contains("127.0.0.1:1"), "\(failed.errors)")
        let many = try sandbox.martlet(
            "submit", "--image", "host", "--cpus", "4096", "--", "true")
        #expect(many.status == 0)
        let held = try sandbox.martlet("wait", "3", "--timeout", "60")
        #expect(held.status == 3)
        #expect(held.errors.contains("martlet cancel 3"), "\(held.errors)")
        let cancel = try sandbox.martlet("cancel", "3", "--json")
        #expect(cancel.output.contains("\"schema\" : 1"), "\(cancel.output)")
        #expect(try sandbox.martlet("wait", "3").status == 1)
    }

    @Test("a home that is given relative to here works as any other")
    func relativeHome() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let home = ["MARTLET_HOME": "./home"]
        let run = try sandbox.martlet(
            "run", "--image", "host", "--env", "A={index}", "--", "sh", "-c", "test $A = 0",
            environment: home)
        #expect(run.status == 0, "\(run.errors)")
        let long = try sandbox.martlet(
            "ls", environment: ["MARTLET_HOME": "/tmp/" + String(repeating: "x", count: 100)])
        #expect(long.status == 3 && long.errors.contains("MARTLET_HOME"), "\(long.errors)")
    }

    @Test("a dry run prints every command, and points as CSV, and submits nothing")
    func dryRun() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let flags = ["run", "--image", "host", "--sweep", "a=1,2", "--sweep", "b=x,'y z'"]
        let dry = try sandbox.martlet(flags + ["--dry-run", "--", "echo", "{a}", "{b}"])
        #expect(dry.status == 0)
        #expect(
            dry.output.split(separator: "\n") == [
                "echo 1 x", "echo 1 'y z'", "echo 2 x", "echo 2 'y z'",
            ])
        let points = try sandbox.martlet(flags + ["--points", "csv", "--", "echo", "{a}", "{b}"])
        #expect(
            points.output == "a,b\n1,x\n1,y z\n2,x\n2,y z\n"
                || points.output == "a,b\r\n1,x\r\n1,y z\r\n2,x\r\n2,y z\r\n")
        #expect(!FileManager.default.fileExists(atPath: sandbox.folder + "/home/state/jobs"))
    }
}

import Foundation
import Testing

/// What shells and man(1) are given.
@Suite("Completion and manual", .enabled(if: Machine.hasExecutables, "run `make build` first"))
struct CompletionTests {
    private static let shells: [String] = ["bash", "zsh", "fish"].filter { Machine.has($0) }

    @Test("each shell reads its script", arguments: shells)
    func scripts(shell: String) throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let script = try sandbox.martlet("completion", shell)
        #expect(script.status == 0 && script.output.contains("martlet"))
        let path = try sandbox.write("script", script.output)
        let check = try sandbox.run([shell, "-n", path])
        #expect(check.status == 0, "\(check.errors)")
        #expect(try sandbox.martlet("completion", "tcsh").status == 2)
        // A shell must not start a server.
        #expect(try sandbox.martlet("server", "status").output.contains("no server runs"))
    }

    @Test("jobs, tasks, nodes and verbs are offered", .enabled(if: Machine.has("fish")))
    func offers() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let script = try sandbox.write(
            "martlet.fish", try sandbox.martlet("completion", "fish").output)
        func offered(_ line: String) throws -> [String] {
            let command =
                "set -x PATH \(Sandbox.binaries) $PATH; source \(script); complete -C '\(line)'"
            let outcome = try sandbox.run(["fish", "--no-config", "-c", command])
            return outcome.output.split(separator: "\n").map {
                String($0.prefix { $0 != "\t" })
            }
        }
        #expect(try offered("martlet show ").contains("last") == false)
        let run = try sandbox.martlet(
            "run", "--quiet", "--image", "host", "--name", "offered", "--sweep", "i=1..3", "--",
            "true")
        #expect(run.status == 0, "\(run.errors)")
        #expect(try Set(offered("martlet show ")).isSuperset(of: ["last", "1", "offered"]))
        #expect(try Set(offered("martlet logs 1_")).isSuperset(of: ["1_0", "1_1", "1_2"]))
        #expect(try offered("martlet ev").contains("events"))
        #expect(try !offered("martlet nodes drain ").isEmpty)
    }

    @Test("bash offers jobs, too")
    func bash() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let script = try sandbox.write("script", try sandbox.martlet("completion", "bash").output)
        let submit = try sandbox.martlet(
            "submit", "--image", "host", "--name", "offered", "--", "true")
        #expect(submit.status == 0, "\(submit.errors)")
        let outcome = try sandbox.run([
            "bash", "-c",
            """
            PATH=\(Sandbox.binaries):$PATH; source \(script)
            COMP_WORDS=(martlet show of) COMP_CWORD=2 COMP_LINE='martlet show of' COMP_POINT=15
            $(complete -p martlet | sed 's/.*-F \\([^ ]*\\).*/\\1/') martlet of show
            echo "${COMPREPLY[@]}"
            """,
        ])
        #expect(outcome.output.contains("offered"), "\(outcome)")
    }

    @Test("every verb has a page that man reads without a complaint")
    func manual() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        #expect(try sandbox.martlet("manual", "man/man1").status == 0)
        let pages = try FileManager.default.contentsOfDirectory(
            atPath: sandbox.folder + "/man/man1")
        for verb in ["", "-run", "-events", "-image", "-image-pull", "-nodes-add"] {
            #expect(pages.contains("martlet\(verb).1"))
        }
        let page = Machine.text(sandbox.folder + "/man/man1/martlet-wait.1")
        for words in ["martlet\\-wait \\- ", ".SH OPTIONS", "\\-\\-timeout <timeout>", "124"] {
            #expect(page.contains(words), "\(page)")
        }
        guard Machine.has("groff") else { return }
        for page in pages {
            let check = try sandbox.run([
                "groff", "-man", "-Tutf8", "-ww", "-z", "man/man1/" + page,
            ])
            #expect(check.status == 0 && check.errors.isEmpty, "\(page): \(check.errors)")
        }
    }
}

import LinuxSystem
import Testing

@testable import NodeLink

/// The script goes through every login shell that is installed here, as sshd would hand it over.
struct RemoteScriptTests {
    private static let shells = [
        "/bin/sh", "/bin/bash", "/bin/busybox", "/usr/bin/fish", "/bin/tcsh", "/bin/zsh",
    ]

    private func run(
        _ script: RemoteScript, in shell: String, _ environment: [String: String],
        input: [UInt8] = []
    ) throws -> Greeting.Word? {
        let arguments = (shell.hasSuffix("busybox") ? ["sh"] : []) + ["-c", script.commandLine]
        let ended = try ProgramOutput.run(
            shell, arguments, input: input,
            environment: environment.merging(["PATH": "/usr/bin:/bin"]) { first, _ in first })
        var greeting = Greeting(script.nonce)
        return try greeting.append(ended.output)?.word
    }

    @Test(arguments: shells.filter { Files.exists($0) })
    func everyShellPassesItOnUnchanged(shell: String) throws {
        let folder = try Folder()
        let missing = RemoteScript.findAgent(hash: "ab", directory: folder.path + "/none")
        #expect(
            try run(missing, in: shell, ["HOME": folder.path])
                == .missing(system: "Linux", machine: AgentPrograms.ownMachine))
        // An agent that says what it was called with.
        let base = folder.path + "/data/martlet"
        try Files.makeDirectories(base + "/agents/ab")
        try Files.writeAtomically(
            base + "/agents/ab/martlet-agent", "#!/bin/sh\necho; echo $2 ready\n".utf8, mode: 0o755)
        let script = RemoteScript.findAgent(hash: "ab", directory: nil)
        let environment = ["HOME": folder.path, "XDG_DATA_HOME": folder.path + "/data"]
        #expect(try run(script, in: shell, environment) == .ready)
        #expect(try run(script, in: shell, ["HOME": folder.path]) != .ready)
    }

    @Test func whatIsInstalledUnpacksItselfInTheFirstBaseThatTakesIt() throws {
        let folder = try Folder()
        let home = ["HOME": folder.path]
        // The bundle of this test is a script that does as the agent does.
        let bundle = Array("#!/bin/sh\ntest $1 = unpack && mkdir $3/$2\n".utf8)
        // A file stands in the first base's way.
        try Files.makeDirectories(folder.path + "/.local/share")
        try Files.writeAtomically(folder.path + "/.local/share/martlet", [])
        let given = RemoteScript.install(hash: "ab", directory: folder.path + "/base", skipping: 0)
        #expect(
            try run(given, in: "/bin/sh", home, input: bundle)
                == .installed(1, folder.path + "/base"))
        #expect(Files.exists(folder.path + "/base/agents/ab"))
        #expect(try Files.names(in: folder.path + "/base/agents") == ["ab"])
        let failing = RemoteScript.install(hash: "ab", directory: folder.path + "/b2", skipping: 0)
        #expect(
            try run(failing, in: "/bin/sh", home, input: Array("exit 1".utf8))
                == .failed(1, folder.path + "/b2"))
        #expect(try Files.names(in: folder.path + "/b2/agents") == [])
        let passed = RemoteScript.install(hash: "ab", directory: folder.path + "/b2", skipping: 1)
        #expect(try run(passed, in: "/bin/sh", home, input: bundle) == .nowhere)
    }

    @Test func noShellReadsAnythingInTheScript() {
        for script in [
            RemoteScript.findAgent(hash: "ab", directory: nil),
            RemoteScript.install(hash: "ab", directory: "/x", skipping: 2),
        ] {
            let line = script.commandLine
            #expect(!line.contains("!") && !line.contains("\\") && !line.contains("\n"))
            #expect(!line.contains(script.nonce.text))
        }
    }
}

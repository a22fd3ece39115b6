import Foundation
import Testing

@Suite("Image verbs, through the built executables")
struct ImageVerbTests {
    @Test(
        "a bad image reference exits with 2, whoever reads it",
        arguments: [
            ["image", "pull", "Bad:1"], ["image", "push", "Bad:1"],
            ["image", "push", "good:1", "Bad:1"], ["image", "inspect", "Bad:1"],
            ["image", "rm", "Bad:1"], ["image", "import", "spec.yaml", "--tag", "Bad:1"],
            ["run", "spec.yaml"], ["submit", "spec.yaml"],
        ])
    func badReference(arguments: [String]) throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        _ = try sandbox.write("spec.yaml", "image: Bad:1\ncommand: [\"true\"]\n")
        let outcome = try sandbox.martlet(arguments)
        #expect(outcome.status == 2, "\(outcome.errors)")
        #expect(outcome.errors.contains("lower case"), "\(outcome.errors)")
    }

    @Test("an imported image is listed, and gone once it is removed")
    func importAndRemove() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        _ = try sandbox.write("hello", "hello")
        _ = try sandbox.run(["tar", "-cf", "root.tar", "hello"])
        #expect(try sandbox.martlet("image", "import", "root.tar", "--tag", "mine:1").status == 0)
        let listed = try sandbox.martlet("image", "ls", "--quiet")
        #expect(listed.output == "docker.io/library/mine:1\n")
        #expect(try sandbox.martlet("image", "rm", "mine:1").status == 0)
        #expect(try sandbox.martlet("image", "ls", "--quiet").output.isEmpty)
    }

    @Test(
        "a pull tells scripts how far it is, and how it ended",
        .enabled(if: Machine.has("umoci"), "needs umoci"))
    func progressInJSON() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let layout = sandbox.folder + "/layout"
        let file = try sandbox.write("hello", "hello")
        try sandbox.tool("umoci", "init", "--layout", layout)
        try sandbox.tool("umoci", "new", "--image", layout + ":one")
        try sandbox.tool(
            "umoci", "insert", "--rootless", "--image", layout + ":one", file, "/hello")
        let pull = try sandbox.martlet("image", "pull", layout, "--json")
        #expect(pull.status == 0, "\(pull.errors)")
        let lines = try pull.output.split(separator: "\n").map {
            try JSONDecoder().decode(Line.self, from: Data($0.utf8))
        }
        let (first, last) = (try #require(lines.first), try #require(lines.last))
        #expect(first.phase == "pulling" && first.layersTotal == 1)
        #expect(try #require(first.bytesTotal) > 0)
        #expect(last.phase == "done" && last.digest?.hasPrefix("sha256:") == true)
    }

    private struct Line: Decodable {
        var phase: String
        var layersTotal: Int?
        var bytesTotal: Int?
        var digest: String?
    }
}

import Foundation
import Testing

@Suite("Images from place to place, through the built executables")
struct ImageTransferVerbTests {
    private func withImage(_ body: (Sandbox) throws -> Void) throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        _ = try sandbox.write("hello", "hello")
        _ = try sandbox.run(["tar", "-cf", "root.tar", "hello"])
        try #require(
            try sandbox.martlet("image", "import", "root.tar", "--tag", "mine:1").status == 0)
        try body(sandbox)
    }

    @Test(
        "a bad reference or place exits with 2",
        arguments: [
            ["image", "copy", "Bad:1", "oci:out:1"], ["image", "copy", "good:1", "oci:"],
            ["image", "save", "Bad:1", "-o", "out.tar"],
            ["image", "export", "Bad:1", "-o", "out.tar"],
            ["image", "load", "-i", "root.tar", "--tag", "Bad:1"],
        ])
    func badReference(arguments: [String]) throws {
        try withImage { sandbox in
            let outcome = try sandbox.martlet(arguments)
            #expect(outcome.status == 2, "\(outcome.errors)")
        }
    }

    @Test(
        "an image is saved, removed and loaded again, by file and by pipe",
        arguments: ["oci", "docker"])
    func saveAndLoad(format: String) throws {
        try withImage { sandbox in
            let saved = try sandbox.martlet(
                "image", "save", "mine:1", "-o", "out.tar", "--format", format)
            #expect(saved.status == 0, "\(saved.errors)")
            #expect(try sandbox.martlet("image", "rm", "mine:1").status == 0)
            let loaded = try sandbox.martlet("image", "load", "--quiet", "-i", "out.tar")
            #expect(loaded.output == "docker.io/library/mine:1\n", "\(loaded.errors)")
            let program = Sandbox.binaries + "/martlet"
            let piped = try sandbox.run([
                "sh", "-c",
                "'\(program)' image save mine:1 | MARTLET_HOME=\"$PWD/other\" '\(program)' image load --quiet",
            ])
            #expect(piped.output == "docker.io/library/mine:1\n", "\(piped.errors)")
        }
    }

    @Test("a copy tells of every blob in JSON, and prints the digest")
    func copy() throws {
        try withImage { sandbox in
            _ = try sandbox.martlet("image", "save", "mine:1", "-o", "out.tar")
            let copied = try sandbox.martlet(
                "image", "copy", "--json", "oci-archive:out.tar", "oci:layout:1")
            #expect(copied.status == 0, "\(copied.errors)")
            let lines = copied.output.split(separator: "\n").map { Data($0.utf8) }
            let documents = try lines.map {
                try JSONSerialization.jsonObject(with: $0) as? [String: Any]
            }
            #expect(documents.allSatisfy { $0?["schema"] != nil })
            #expect(documents.dropLast().allSatisfy { $0?["progress"] != nil })
            let digest = try #require(documents.last??["digest"] as? String)
            let again = try sandbox.martlet("image", "copy", "-q", "oci:layout:1", "oci:layout:2")
            #expect(again.output == digest + "\n")
        }
    }

    @Test("an export is the root filesystem, on standard output too")
    func export() throws {
        try withImage { sandbox in
            #expect(try sandbox.martlet("image", "export", "mine:1", "-o", "out.tar").status == 0)
            let listed = try sandbox.run(["tar", "-tf", "out.tar"])
            #expect(listed.output == "./\nhello\n")
            let program = Sandbox.binaries + "/martlet"
            let piped = try sandbox.run(["sh", "-c", "'\(program)' image export mine:1 | tar -t"])
            #expect(piped.output == listed.output, "\(piped.errors)")
        }
    }
}

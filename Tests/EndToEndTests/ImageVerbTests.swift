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

    /// An imported image of busybox under `mine:1`.
    private func importBusybox(_ sandbox: Sandbox) throws {
        let root = try sandbox.busyboxRoot()
        try sandbox.shell("tar -C '\(root)' -cf root.tar .")
        try sandbox.tool(
            Sandbox.binaries + "/martlet", "image", "import", "root.tar", "--tag", "mine:1")
    }

    @Test("an image that a job uses is neither removed nor pruned, and the job is named")
    func inUse() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        try importBusybox(sandbox)
        let run = try sandbox.martlet(
            "submit", "--quiet", "--image", "mine:1", "--name", "user", "--", "/bin/sh", "-c",
            "echo begun; sleep 100")
        #expect(run.status == 0, "\(run.errors)")
        try sandbox.waitUntil("the task runs") {
            try sandbox.martlet("logs", "user").output.contains("begun")
        }
        let refused = try sandbox.martlet("image", "rm", "mine:1")
        #expect(refused.status == 3)
        #expect(refused.errors.contains("job 1 needs it"), "\(refused.errors)")
        #expect(refused.errors.contains("martlet cancel 1"), "\(refused.errors)")
        #expect(try sandbox.martlet("image", "prune", "--all").output.contains("0 layers"))
        #expect(try sandbox.martlet("image", "verify").status == 0)
        #expect(try sandbox.martlet("cancel", "user").status == 0)
        _ = try sandbox.martlet("wait", "user", "--timeout", "60")
        try sandbox.waitUntil("the image may go") {
            try sandbox.martlet("image", "rm", "mine:1").status == 0
        }
    }

    @Test("names, history, changes and checks of an image, in words and in JSON")
    func views() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        try importBusybox(sandbox)
        #expect(
            try sandbox.martlet("image", "tag", "mine:1", "mine:2").output
                == "docker.io/library/mine:2\n")
        #expect(try sandbox.martlet("image", "history", "mine:2").output.contains("CREATED BY"))
        #expect(try sandbox.martlet("image", "diff", "mine:2").output.contains("A /bin/busybox"))
        #expect(try sandbox.martlet("image", "diff", "mine:1", "mine:2").output.isEmpty)
        #expect(
            try sandbox.martlet("image", "verify", "mine:1").output.contains("nothing is damaged"))
        for verb in [
            ["history", "mine:1"], ["diff", "mine:1"], ["diff", "mine:1", "mine:2"],
            ["verify"], ["inspect", "mine:1"], ["prune", "--dry-run"], ["ls"],
        ] {
            let json = try sandbox.martlet(["image"] + verb + ["--json"])
            let read = try JSONSerialization.jsonObject(with: Data(json.output.utf8))
            #expect((read as? [String: Any])?["schema"] as? Int != nil, "\(verb)")
        }
        #expect(try sandbox.martlet("image", "untag", "mine:1", "mine:2").status == 0)
        #expect(
            try sandbox.martlet("image", "prune").output.contains("1 layer and 3 blobs dropped"))
        for verb in [["history"], ["diff"], ["verify"], ["untag"], ["mount"]] {
            let outcome = try sandbox.martlet(["image"] + verb + ["none:1"])
            #expect(outcome.status == 3 && outcome.errors.contains("not in the store"), "\(verb)")
        }
    }

    @Test(
        "a setting that means nothing ends every image verb with 2", arguments: ["ls", "prune"])
    func badSetting(verb: String) throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let outcome = try sandbox.martlet(
            ["image", verb], environment: ["MARTLET_IMAGE_BUDGET": "much"])
        #expect(outcome.status == 2 && outcome.errors.contains("MARTLET_IMAGE_BUDGET"))
    }

    @Test("a command sees an image's files, read-only, whoever runs it", arguments: [nil, 1234])
    func mountForCommand(uid: Int?) throws {
        if uid != nil, !Machine.isRoot { return }
        let sandbox = try Sandbox(uid: uid)
        defer { sandbox.close() }
        try sandbox.shell(
            "mkdir -p one/etc two/etc; echo one > one/etc/one; echo more > two/etc/more")
        try sandbox.shell(
            """
            for layer in one two; do tar -C $layer -cf $layer.tar .; done
            umoci init --layout layout && umoci new --image layout:1
            for layer in one two; do umoci raw add-layer --image layout:1 $layer.tar; done
            """)
        #expect(try sandbox.martlet("image", "import", "layout", "--tag", "mine:1").status == 0)
        let shown = try sandbox.martlet(
            "image", "mount", "mine:1", "--", "sh", "-c",
            "cat etc/one etc/more; pwd; echo $MARTLET_IMAGE_ROOT; touch etc/new || exit 7")
        #expect(shown.status == 7, "\(shown.errors)")
        #expect(shown.output.hasPrefix("one\nmore"), "\(shown.output)\(shown.errors)")
        #expect(shown.errors.contains("Read-only file system"))
        let none = try sandbox.martlet("image", "mount", "mine:1", "--", "/none")
        #expect(none.status == 127 && none.errors.contains("/none"))
        if uid != nil {
            let refused = try sandbox.martlet("image", "mount", "mine:1", sandbox.folder)
            #expect(refused.status == 2 && refused.errors.contains("only root"))
        }
    }

    @Test(
        "root mounts for everybody until it unmounts, and the image stays as long",
        .enabled(if: Machine.isRoot, "needs root"))
    func mountForAll() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        try importBusybox(sandbox)
        let place = sandbox.folder + "/a place"
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
        let mounted = try sandbox.martlet("image", "mount", "mine:1", place)
        defer { _ = try? sandbox.martlet("image", "unmount", place) }
        #expect(mounted.status == 0, "\(mounted.errors)")
        #expect(FileManager.default.fileExists(atPath: place + "/bin/busybox"))
        let refused = try sandbox.martlet("image", "rm", "mine:1")
        #expect(refused.status == 3 && refused.errors.contains("the mount on \(place)"))
        #expect(try sandbox.martlet("image", "mount", "mine:1", place).status == 3)
        #expect(try sandbox.martlet("image", "unmount", place).status == 0)
        #expect(!FileManager.default.fileExists(atPath: place + "/bin"))
        #expect(try sandbox.martlet("image", "unmount", place).status == 3)
        #expect(try sandbox.martlet("image", "rm", "mine:1").status == 0)
    }
}

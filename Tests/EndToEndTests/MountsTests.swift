import Foundation
import Laboratory
import Testing

/// Directories of the head's machine in tasks on others.
@Suite(
    "Mounts on nodes", .serialized,
    .enabled(
        if: Machine.hasExecutables && Laboratory.isPossible, "needs root, sshd and `make build`"))
struct MountsTests {
    /// A head with so many nodes, none of which is its own machine: the nodes do not see its /tmp.
    private static func cluster(_ count: Int, user: String = "root") throws -> (
        Sandbox, Laboratory
    ) {
        var options = LaboratoryNode.Options()
        options.user = user
        let laboratory = try Laboratory(Array(repeating: options, count: count))
        let sandbox = try Sandbox()
        let added = try sandbox.martlet(
            "nodes", "add", count == 1 ? "node0" : "node[0-\(count - 1)]",
            environment: laboratory.environment)
        try #require(added.status == 0, "\(added.errors)")
        let local = try sandbox.martlet("nodes", "ls", "--quiet").output.split(separator: "\n")[0]
        try #require(try sandbox.martlet("nodes", "drain", String(local)).status == 0)
        return (sandbox, laboratory)
    }

    /// Where a node keeps its trees.
    private static func trees(_ node: LaboratoryNode) throws -> [String] {
        let home = node.options.user == "root" ? "/root" : "/home/\(node.options.user)"
        return try node.run("ls \(home)/.local/share/martlet/trees").split(separator: "\n").map(
            String.init
        )
        .filter { $0.count == 64 }
    }

    private static func output(of job: String, _ index: Int, _ sandbox: Sandbox) throws -> String {
        let task = try sandbox.job(job).tasks.first { $0.index == index }
        return Machine.text(try #require(task?.stdout))
    }

    private static func source(_ sandbox: Sandbox) throws -> String {
        _ = try sandbox.write("src/main.sh", "echo \"value $1\"; cat lib/part; cat ../alone\n")
        _ = try sandbox.write("src/lib/part", "part\n")
        _ = try sandbox.write("alone", "alone\n")
        try sandbox.shell("ln -s lib/part src/link; chmod 750 src/lib; mkfifo src/pipe")
        return sandbox.folder + "/src"
    }

    @Test("read-only mounts come to each node once, and again only where they have changed")
    func readOnly() throws {
        let (sandbox, laboratory) = try Self.cluster(2)
        defer { sandbox.close() }
        let source = try Self.source(sandbox)
        func run(_ name: String) throws -> Outcome {
            try sandbox.martlet(
                "run", "--name", name, "--image", "box:1", "--sweep", "i=1..4",
                "--mount", "\(source):/work:ro", "--mount", "\(sandbox.folder)/alone:/alone:ro",
                "--workdir", "/work", "--script",
                "sh main.sh {i}; sleep 0.3; touch no 2>/dev/null || echo held",
                environment: laboratory.environment)
        }
        let archive = sandbox.folder + "/root.tar"
        try sandbox.tool("tar", "-C", try sandbox.busyboxRoot(), "-cf", archive, ".")
        try sandbox.tool(
            Sandbox.binaries + "/martlet", "image", "import", archive, "--tag", "box:1")
        let first = try run("first")
        #expect(first.status == 0, "\(first.errors)")
        let note = "mount \(source): 1 socket, pipe or device is not on other machines: pipe"
        #expect(first.errors.components(separatedBy: "note: \(note)\n").count == 2)
        #expect(try sandbox.martlet("show", "first").output.contains(note))
        #expect(try Self.output(of: "first", 0, sandbox) == "value 1\npart\nalone\nheld\n")
        let used = Set(try sandbox.job("first").tasks.compactMap(\.node))
        #expect(used == ["node0", "node1"])
        for node in laboratory.nodes { #expect(try Self.trees(node).count == 2) }
        #expect(try run("second").status == 0)
        for node in laboratory.nodes { #expect(try Self.trees(node).count == 2) }
        _ = try sandbox.write("src/lib/part", "other\n")
        #expect(try run("third").status == 0)
        #expect(try Self.output(of: "third", 3, sandbox) == "value 4\nother\nalone\nheld\n")
        for node in laboratory.nodes { #expect(try Self.trees(node).count == 3) }
    }

    @Test(
        "what a task writes to a mount stays its own, and what is collected of it comes back",
        arguments: ["root", "anna"])
    func writable(user: String) throws {
        let (sandbox, laboratory) = try Self.cluster(1, user: user)
        defer { sandbox.close() }
        let source = try Self.source(sandbox)
        for image in ["host", "box:1"] {
            let archive = sandbox.folder + "/root.tar"
            try sandbox.tool("tar", "-C", try sandbox.busyboxRoot(), "-cf", archive, ".")
            try sandbox.tool(
                Sandbox.binaries + "/martlet", "image", "import", archive, "--tag", "box:1")
            let place = image == "host" ? source : "/work"
            let name = String(image.prefix(4))
            let spec = try sandbox.write(
                "\(name).yaml",
                """
                name: \(name.prefix(3))
                image: \(image)
                sweep: {grid: {i: 1..3}}
                mounts: ["\(source):\(place)", "\(sandbox.folder)/alone:/tmp/alone"]
                workdir: \(place)
                collect: ["out/*"]
                script: |
                  cat lib/part /tmp/alone && rm lib/part && test ! -e out && mkdir out
                  echo {i} > out/number && echo {i} >> main.sh && echo {i} > /tmp/alone
                  cat /tmp/alone
                """)
            let run = try sandbox.martlet("run", spec, environment: laboratory.environment)
            #expect(run.status == 0, "\(run.errors)")
            #expect(run.errors.contains("copies of \(place), /tmp/alone of their own"))
            #expect(run.errors.contains("but for what `collect` names"))
            let tasks = try sandbox.job(String(name.prefix(3))).tasks
            #expect(tasks.count == 3)
            for task in tasks {
                let output = try #require(task.stdout)
                let folder = URL(fileURLWithPath: output).deletingLastPathComponent().path
                #expect(Machine.text(output) == "part\nalone\n\(task.index + 1)\n")
                #expect(Machine.text(folder + "/results/out/number") == "\(task.index + 1)\n")
            }
        }
        #expect(Machine.text(source + "/lib/part") == "part\n")
        #expect(!FileManager.default.fileExists(atPath: source + "/out"))
        #expect(try Self.trees(laboratory.nodes[0]).count == 2)
    }

    @Test("a directory that a node sees itself is used as it is, and nothing is copied")
    func shared() throws {
        let (sandbox, laboratory) = try Self.cluster(1)
        // The nodes have the machine's own /var/lib.
        let shared = "/var/lib/martlet-shared-" + UUID().uuidString.prefix(8)
        defer {
            sandbox.close()
            try? FileManager.default.removeItem(atPath: shared)
        }
        try sandbox.shell("mkdir \(shared) && echo here > \(shared)/file")
        let run = try sandbox.martlet(
            "run", "--name", "near", "--image", "host", "--mount", "\(shared):\(shared)",
            "--script", "cat \(shared)/file; echo there > \(shared)/other",
            environment: laboratory.environment)
        #expect(run.status == 0, "\(run.errors)")
        #expect(try Self.output(of: "near", 0, sandbox) == "here\n")
        #expect(Machine.text(shared + "/other") == "there\n")
        #expect(try Self.trees(laboratory.nodes[0]) == [])
    }

    /// Megabytes of the mount that the node has, as `show` tells.
    private static func received(_ job: String, _ sandbox: Sandbox) throws -> Double {
        let reason = try sandbox.job(job).reason ?? ""
        guard let colon = reason.range(of: ": ", options: .backwards), reason.contains(" MB of ")
        else { return 0 }
        return Double(reason[colon.upperBound...].prefix { $0 != " " }) ?? 0
    }

    @Test("what had come before the intake, the link or the server was killed does not come again")
    func killed() throws {
        let (sandbox, laboratory) = try Self.cluster(1)
        defer { sandbox.close() }
        let node = laboratory.nodes[0]
        try sandbox.shell(
            "mkdir src; head -c 24000000 /dev/urandom > src/large; echo small > src/small")
        func receivedBytes() throws -> Int {
            let text = try node.run("cat /sys/class/net/eth0/statistics/rx_bytes")
            return Int(text.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0
        }
        try node.limit(rate: "40mbit")
        let before = try receivedBytes()
        let submit = try sandbox.martlet(
            "submit", "--quiet", "--name", "far", "--image", "host", "--mount",
            "\(sandbox.folder)/src:\(sandbox.folder)/src:ro", "--script",
            "cksum < \(sandbox.folder)/src/large", environment: laboratory.environment)
        #expect(submit.status == 0, "\(submit.errors)")
        try sandbox.waitUntil("a part has come") { try Self.received("far", sandbox) > 6 }
        let task = "\(try sandbox.job("far").id)_0"
        let explained = try sandbox.martlet("explain", task).output
        #expect(explained.contains("node node0 receives the mount \(sandbox.folder)/src: "))
        try node.run("pkill -KILL -f 'martlet-agent [t]rees'")
        try node.endSessions()
        try sandbox.waitUntil("more has come") {
            let left = try Self.received("far", sandbox)
            return left > 6 && left < 16
        }
        let status = try sandbox.json(["server", "status", "--json"])
        kill(pid_t(status["pid"] as? Int ?? 0), SIGKILL)
        let wait = try sandbox.martlet(
            "wait", "far", "--timeout", "60", environment: laboratory.environment)
        #expect(wait.status == 0, "\(wait.errors)")
        let sum = try sandbox.run(["/bin/sh", "-c", "cksum < src/large"]).output
        #expect(try Self.output(of: "far", 0, sandbox) == sum)
        let bytes = try receivedBytes() - before
        #expect(bytes < 36_000_000, "\(bytes) bytes for 24,000,000")
    }

    @Test("a mount above the budget is told at once, with its size and what to do")
    func budget() throws {
        let (sandbox, laboratory) = try Self.cluster(1)
        defer { sandbox.close() }
        _ = try sandbox.martlet("server", "stop")
        var environment = laboratory.environment
        environment["MARTLET_MOUNT_BUDGET"] = "1MiB"
        try sandbox.shell("mkdir src; head -c 1048577 /dev/zero > src/large")
        let submit = try sandbox.martlet(
            "submit", "--quiet", "--name", "large", "--image", "host", "--mount",
            "\(sandbox.folder)/src:/tmp:ro", "--", "/bin/true", environment: environment)
        #expect(submit.status == 0, "\(submit.errors)")
        try sandbox.waitUntil("why it waits") {
            let text = try sandbox.martlet("explain", "large").output
            return text.contains("\(sandbox.folder)/src has 1.0 MB, and the node takes no more")
                && text.contains(".martletignore")
        }
        #expect(try sandbox.martlet("cancel", "large").status == 0)
    }
}

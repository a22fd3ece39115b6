import Foundation
import Laboratory
import Testing

/// Sweeps on machines that are reached by ssh, as their user sees them.
@Suite(
    "Nodes", .serialized,
    .enabled(
        if: Machine.hasExecutables && Laboratory.isPossible, "needs root, sshd and `make build`"))
struct NodesTests {
    /// A head with so many nodes, none of which is its own machine.
    private static func cluster(
        _ count: Int, _ change: (inout LaboratoryNode.Options) -> Void = { _ in }
    )
        throws -> (Sandbox, Laboratory)
    {
        var options = LaboratoryNode.Options()
        change(&options)
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

    private static let work = """
        echo "task {i}"
        sleep 0.$(( {i} % 5 + 2 ))
        echo "{\\"square\\": $(( {i} * {i} ))}" >> $MARTLET_METRICS
        head -c $(( {i} * 4000 )) /dev/zero | tr '\\0' x > $MARTLET_RESULTS/xs
        echo "end {i}" >&2
        """

    @Test("a sweep brings logs, metrics and results from the nodes that ran it")
    func sweep() throws {
        let (sandbox, laboratory) = try Self.cluster(2)
        defer { sandbox.close() }
        let run = try sandbox.martlet(
            "run", "--image", "host", "--name", "far", "--sweep", "i=1..6", "--metric",
            "square=max", "--script", Self.work, environment: laboratory.environment)
        #expect(run.status == 0, "\(run.errors)")
        try Self.expectResults("far", 6, in: sandbox)
        let nodes = try sandbox.json(["show", "far", "--json"])
        let used = Set(
            (nodes["tasks"] as? [[String: Any]] ?? []).compactMap { $0["node"] as? String })
        #expect(used == ["node0", "node1"])
    }

    /// What every task of `work` must have left, whatever happened meanwhile.
    private static func expectResults(_ job: String, _ count: Int, in sandbox: Sandbox) throws {
        let report = try sandbox.json(["show", job, "--json"])
        let tasks = report["tasks"] as? [[String: Any]] ?? []
        #expect(tasks.count == count)
        for task in tasks {
            let i = (task["index"] as? Int ?? -1) + 1
            #expect(task["state"] as? String == "succeeded", "task \(i)")
            #expect((task["metrics"] as? [String: Double])?["square"] == Double(i * i))
            let output = try #require(task["stdout"] as? String)
            let folder = URL(fileURLWithPath: output).deletingLastPathComponent().path
            #expect(Machine.text(output) == "task \(i)\n")
            #expect(Machine.text(folder + "/stderr") == "end \(i)\n")
            #expect(
                Machine.text(folder + "/results/xs") == String(repeating: "x", count: i * 4000))
        }
    }

    @Test("cut links, two dead heads and a rebooted node change no result")
    func misfortune() throws {
        let (sandbox, laboratory) = try Self.cluster(Machine.isLong ? 64 : 8)
        defer { sandbox.close() }
        let count = Machine.isLong ? 400 : 60
        func submit(_ name: String) throws {
            let submit = try sandbox.martlet(
                "submit", "--quiet", "--image", "host", "--name", name, "--sweep", "i=1..\(count)",
                "--metric", "square=max", "--attempts", "20", "--retry-on", "node_lost", "--script",
                "sleep $(( {i} % 3 )); " + Self.work, environment: laboratory.environment)
            #expect(submit.status == 0, "\(submit.errors)")
        }
        func results(_ name: String) throws -> [Int: [String]] {
            let wait = try sandbox.martlet(
                "wait", name, "--timeout", "300", environment: laboratory.environment)
            #expect(wait.status == 0, "\(wait.errors)")
            return try Self.results(name, count, in: sandbox)
        }
        try submit("calm")
        let calm = try results("calm")
        try submit("far")
        var random = SystemRandomNumberGenerator()
        // What ran on the rebooted node, and the number of its attempt.
        var lost: [Int: Int] = [:]
        for round in 0..<(Machine.isLong ? 40 : 6) {
            // One that works: nothing else is put to the test.
            var running: [Job.Task] = []
            try sandbox.waitUntil("a node that works") {
                running = try sandbox.job("far").tasks.filter {
                    $0.state == "running" && $0.started != nil
                }
                return !running.isEmpty
            }
            let name = running.randomElement(using: &random)?.node
            let node = try #require(laboratory.nodes.first { $0.name == name })
            switch round % 3 {
            case 0: try node.cut()
            case 1: try node.silence()
            default: try node.endSessions()
            }
            // How long it lasts is what is random here, not an event that one could await.
            usleep(UInt32.random(in: 100_000...700_000, using: &random))
            if round == 1 || round == 3 { try Self.killHead(sandbox, laboratory) }
            if round == 4 {
                for task in running where task.node == name { lost[task.index] = task.attempt }
                try node.reboot()
            }
            try node.mend()
        }
        #expect(try results("far") == calm)
        // Of what ran on the rebooted node something was lost, and done again.
        #expect(try sandbox.job("far").tasks.contains { $0.attempt > lost[$0.index] ?? .max })
    }

    /// By task, what it has left; each is expected to have left what `work` says.
    private static func results(_ job: String, _ count: Int, in sandbox: Sandbox) throws
        -> [Int: [String]]
    {
        try expectResults(job, count, in: sandbox)
        return try sandbox.job(job).tasks.reduce(into: [:]) { results, task in
            let output = try #require(task.stdout)
            let folder = URL(fileURLWithPath: output).deletingLastPathComponent().path
            results[task.index] =
                [task.state, "\(task.metrics)"]
                + ["stdout", "stderr", "results/xs"].map { Machine.text("\(folder)/\($0)") }
        }
    }

    private static func killHead(_ sandbox: Sandbox, _ laboratory: Laboratory) throws {
        let status = try sandbox.json(["server", "status", "--json"])
        kill(pid_t(status["pid"] as? Int ?? 0), SIGKILL)
        // The next command brings another one.
        let listed = try sandbox.martlet("ls", environment: laboratory.environment)
        #expect(listed.status == 0, "\(listed.errors)")
    }

    @Test("an image and a secret come to nodes that have neither, and the secret to no disk")
    func supplies() throws {
        let (sandbox, laboratory) = try Self.cluster(2)
        defer { sandbox.close() }
        let archive = sandbox.folder + "/root.tar"
        try sandbox.tool("tar", "-C", try sandbox.busyboxRoot(), "-cf", archive, ".")
        try sandbox.tool(
            Sandbox.binaries + "/martlet", "image", "import", archive, "--tag", "box:1")
        let password = "hunter" + UUID().uuidString
        let spec = try sandbox.write(
            "spec.yaml",
            """
            name: far
            image: box:1
            secrets: {TOKEN: {file: \(try sandbox.write("token", password + "\n"))}}
            sweep: {grid: {i: 1..6}}
            script: |
              test -e /log && test ! -e /usr && echo "${#TOKEN} {i}"
              sleep 0.3
            """)
        let run = try sandbox.martlet("run", spec, environment: laboratory.environment)
        #expect(run.status == 0, "\(run.errors)")
        let job = try sandbox.job("far")
        #expect(Set(job.tasks.compactMap(\.node)) == ["node0", "node1"])
        for task in job.tasks {
            let output = Machine.text(task.stdout ?? "")
            #expect(output == "\(password.count) \(task.index + 1)\n")
        }
        let found = try sandbox.run(["grep", "-rl", password, sandbox.folder, laboratory.folder])
        #expect(found.output == sandbox.folder + "/token\n")
    }

    @Test(
        "a root filesystem that a node does not have is told at once, and does not hold up others")
    func directoryAsImage() throws {
        let (sandbox, laboratory) = try Self.cluster(1)
        defer { sandbox.close() }
        let submit = try sandbox.martlet(
            "submit", "--name", "here", "--image", try sandbox.busyboxRoot(), "--", "/bin/true",
            environment: laboratory.environment)
        #expect(submit.status == 0, "\(submit.errors)")
        try sandbox.waitUntil("why it waits") {
            try sandbox.martlet("explain", "here").output.contains("martlet image import")
        }
        let local = try sandbox.martlet("nodes", "ls", "--quiet").output.split(separator: "\n")[0]
        #expect(try sandbox.martlet("nodes", "undrain", String(local)).status == 0)
        #expect(try sandbox.martlet("wait", "here", "--timeout", "60").status == 0)
    }

    @Test(
        "a task on two nodes starts on both, which know each other, and its logs are those of both")
    func gang() throws {
        let (sandbox, laboratory) = try Self.cluster(2)
        defer { sandbox.close() }
        let run = try sandbox.martlet(
            "run", "--name", "both", "--image", "host", "--nodes", "2", "--metric", "rank=min",
            "--script",
            """
            echo "$MARTLET_NODE_RANK of $MARTLET_NODES in $MARTLET_NODE_LIST at $MASTER_ADDR"
            echo '{"rank": '$MARTLET_NODE_RANK'}' >> $MARTLET_METRICS
            """, environment: laboratory.environment)
        #expect(run.status == 0, "\(run.errors)")
        let logs = try sandbox.martlet("logs", "both").output.split(separator: "\n")
        #expect(
            logs == [
                "0@node0: 0 of 2 in node0,node1 at node0",
                "0@node1: 1 of 2 in node0,node1 at node0",
            ])
        #expect(try sandbox.job("both").tasks.first?.metrics == ["rank": 0])
        let fails = try sandbox.martlet(
            "run", "--name", "one", "--image", "host", "--nodes", "2", "--script",
            "test $MARTLET_NODE_RANK = 0 && sleep 1000; exit 7", environment: laboratory.environment
        )
        #expect(fails.status == 1)
        #expect(try sandbox.job("one").tasks.first?.exitCode == 7)
    }

    @Test("a checkpoint goes along when its task has to leave a node")
    func checkpoint() throws {
        let (sandbox, laboratory) = try Self.cluster(2)
        defer { sandbox.close() }
        let submit = try sandbox.martlet(
            "submit", "--name", "moves", "--image", "host", "--script",
            """
            test -e $MARTLET_CHECKPOINT/step && exec cat $MARTLET_CHECKPOINT/step
            echo 41 > $MARTLET_CHECKPOINT/step
            echo there
            sleep 1000
            """, environment: laboratory.environment)
        #expect(submit.status == 0, "\(submit.errors)")
        try sandbox.waitUntil("the first attempt's checkpoint") {
            try sandbox.martlet("logs", "moves").output == "there\n"
        }
        let first = try #require(try sandbox.job("moves").tasks.first?.node)
        let drained = try sandbox.martlet("nodes", "drain", first, "--requeue")
        #expect(drained.status == 0, "\(drained.errors)")
        let wait = try sandbox.martlet("wait", "moves", "--timeout", "60")
        #expect(wait.status == 0, "\(wait.errors)")
        #expect(try sandbox.job("moves").tasks.first?.node != first)
        #expect(try sandbox.martlet("logs", "moves").output == "41\n")
    }

    @Test("what people do wrong is told with what to do, and nothing is kept of it")
    func mistakes() throws {
        let (sandbox, laboratory) = try Self.cluster(1)
        defer { sandbox.close() }
        let environment = laboratory.environment
        let unknown = try sandbox.martlet(
            "nodes", "add", "nowhere.invalid", environment: environment)
        #expect(unknown.status == 3)
        #expect(unknown.errors.contains("node nowhere.invalid"))
        #expect(try sandbox.martlet("nodes", "ls", "--quiet").output.contains("nowhere") == false)
        let range = try sandbox.martlet("nodes", "add", "gpu[03-01]", environment: environment)
        #expect(range.status == 2)
        #expect(range.errors.contains("gpu[03-01]: column"))
        let nobody = try sandbox.martlet("nodes", "drain", "nobody", environment: environment)
        #expect(nobody.status == 2)
        let checked = try sandbox.martlet("nodes", "check", "node0", environment: environment)
        #expect(checked.output.contains("node0"))
        let removed = try sandbox.martlet("nodes", "rm", "node0", environment: environment)
        #expect(removed.status == 0, "\(removed.errors)")
        #expect(try sandbox.martlet("nodes", "ls", "--quiet").output.contains("node0") == false)
    }
}

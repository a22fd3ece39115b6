import Foundation
import Laboratory
import Testing

/// Metrics that plain programs leave in their output and files, the best so far, and jobs side by side.
@Suite("Metrics", .serialized, .enabled(if: Machine.hasExecutables, "run `make build` first"))
struct MetricsTests {
    private static let spec = """
        name: books
        image: host
        script: |
          for i in 1 2 3; do echo "epoch $i val_loss=$(( 9 - i )).{seed}"; done
          echo '{"eval": {"acc": 0.{seed}}}' > $MARTLET_RESULTS/metrics.json
        sweep: {grid: {seed: 1..3}}
        metrics:
          val_loss: {goal: min, log: "val_loss=([0-9.eE+-]+)"}
          acc: {goal: max, file: metrics.json, key: eval.acc}
          gone: {goal: min, log: "gone=([0-9]+)"}
        """

    private static func expectTable(_ outcome: Outcome) throws {
        try #require(outcome.status == 0, "\(outcome.errors)")
        let table = try #require(
            try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
        let points = try #require(table["points"] as? [[String: Any]])
        let found = points.map { $0["metrics"] as? [String: Double] ?? [:] }
        #expect(found.map { $0["val_loss"] } == [6.1, 6.2, 6.3])
        #expect(found.map { $0["acc"] } == [0.1, 0.2, 0.3])
        #expect(found.allSatisfy { $0.count == 2 })
        #expect(table["metricNames"] as? [String] == ["val_loss", "acc", "gone"])
    }

    @Test("come from the output and from files; the best is told, and what is missing")
    func sources() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let file = try sandbox.write("books.yaml", Self.spec)
        let told = sandbox.folder + "/told"
        let run = try sandbox.martlet("run", file, "--notify", "cat > \(told)")
        #expect(run.status == 0, "\(run.errors)")
        #expect(run.errors.contains("books (1): 3/3, best val_loss 6.1 · task 0 · seed=1"))
        #expect(run.errors.contains("no task has left gone; `martlet show 1_0`"))
        try Self.expectTable(try sandbox.martlet("results", "--json"))
        // By the job's name and the task's index.
        let shown = try sandbox.martlet("show", "books_2").output
        #expect(shown.contains("best       val_loss 6.1 · task 0 · seed=1"))
        #expect(shown.contains("acc         0.3") && shown.contains("val_loss    6.3"))
        #expect(shown.contains("gone        missing: no line of the output has a number"))
        #expect(try sandbox.martlet("logs", "books_1").output.hasSuffix("val_loss=6.2\n"))
        try sandbox.waitUntil("the best is told of") {
            Machine.text(told).contains("best val_loss: 6.1, task 0 (seed=1)\n")
        }
        let best = try #require(
            try sandbox.json(["show", "1", "--json"])["best"] as? [String: Any])
        #expect(best["value"] as? Double == 6.1 && best["isRunning"] as? Bool == false)
    }

    @Test("of jobs side by side the better best is marked, and what differs is told")
    func compare() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let file = try sandbox.write("books.yaml", Self.spec)
        #expect(try sandbox.martlet("run", file, "--quiet").status == 0)
        #expect(
            try sandbox.martlet(
                "run", file, "--quiet", "--name", "books_1", "--sweep", "seed=2,9",
                "--metric-log", "acc=(absent)"
            ).status == 0)
        let text = try sandbox.martlet("compare", "books", "books_1").output
        #expect(text.contains("6.1 *") && text.contains("sweep.grid.seed"))
        #expect(text.contains("1..3") && text.contains("2, 9"))
        let report = try sandbox.json(["compare", "1", "2", "1", "--json"])
        let jobs = try #require(report["jobs"] as? [[String: Any]])
        #expect(jobs.map { $0["id"] as? Int } == [1, 2], "each once")
        let bests = jobs.map { job in
            (job["best"] as? [[String: Any]] ?? []).map { $0["value"] as? Double }
        }
        #expect(bests[0] == [6.1, 0.3, nil])
        #expect(bests[1] == [6.2, nil, nil])
        let keys = (report["differences"] as? [[String: Any]] ?? []).map { $0["key"] as? String }
        #expect(keys == ["name", "metrics.acc", "sweep.grid.seed"])
        let absent = try sandbox.martlet("compare", "books", "nothing")
        #expect(absent.status == 2 && absent.errors.contains("there is no job 'nothing'"))
        let tasks = try sandbox.martlet("compare", "books_0")
        #expect(tasks.status == 2 && tasks.errors.contains("martlet compare 1"))
    }

    @Test("a search follows the output of running tasks")
    func search() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let run = try sandbox.martlet(
            "run", "--image", "host", "--cpus", "0", "--sweep", "i=1,9", "--mount", ".:/mnt",
            "--metric", "loss=min", "--metric-log", "loss=loss=([0-9]+)", "--search", "asha",
            "--search-reduction", "2", "--script",
            """
            if test {i} = 1; then
              echo loss={i}; touch /mnt/told
              until test -e /mnt/end; do sleep 0.02; done
            else
              trap 'touch /mnt/end; exit 1' TERM
              until test -e /mnt/told; do sleep 0.02; done
              printf 'loss={i}\\r'; printf 'loss={i}\\r'
              while :; do sleep 0.02; done
            fi
            """)
        #expect(run.status == 0, "\(run.errors)")
        let tasks = try sandbox.job("last").tasks
        #expect(tasks.map(\.state) == ["succeeded", "stopped"])
        #expect(tasks.map(\.metrics) == [["loss": 1], ["loss": 9]])
        #expect(
            tasks[1].reason?.contains("loss is 9, and the best of 2 tasks has at most 1") == true)
    }

    @Test("points that a sampler gives are told of by a dry run, not made up")
    func sampled() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let file = try sandbox.write(
            "s.yaml",
            """
            image: host
            command: [train, --lr, "{lr}"]
            sweep: {sample: {method: external, command: [python3, "my sampler.py"], count: 8, space: {lr: "uniform(0, 1)"}}}
            limits: {parallel: 2}
            metrics: {loss: min}
            """)
        let dry = try sandbox.martlet("run", file, "--dry-run")
        #expect(
            dry.output == """
                # at most 8 points, 2 open at a time, one after the other from: python3 'my sampler.py' (in \(sandbox.folder))
                train --lr '{lr}'

                """)
        let points = try sandbox.martlet("run", file, "--points", "csv")
        #expect(points.status == 2 && points.errors.contains("--points: none is known before"))
    }

    @Test(
        "come from tasks on other machines, too",
        .enabled(if: Laboratory.isPossible, "needs root and sshd"))
    func far() throws {
        let laboratory = try Laboratory([LaboratoryNode.Options()])
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let added = try sandbox.martlet(
            "nodes", "add", "node0", environment: laboratory.environment)
        try #require(added.status == 0, "\(added.errors)")
        let local = try sandbox.martlet("nodes", "ls", "--quiet").output.split(separator: "\n")[0]
        try #require(try sandbox.martlet("nodes", "drain", String(local)).status == 0)
        let file = try sandbox.write("books.yaml", Self.spec)
        let run = try sandbox.martlet("run", file, "--json", environment: laboratory.environment)
        try Self.expectTable(run)
        #expect(Set(try sandbox.job("books").tasks.map(\.node)) == ["node0"])
    }
}

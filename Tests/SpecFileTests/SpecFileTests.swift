import Foundation
import JobModel
import SpecFile
import Testing

@Suite("Specs")
struct SpecFileTests {
    private func parse(_ text: String?, _ overrides: [SpecOverride] = []) throws -> JobSpec {
        try SpecFile.parse(
            text: text, path: "sweep.yaml", overrides: overrides, directory: "/specs",
            workingDirectory: "/here", home: "/home/me")
    }

    private static let full = """
        name: digits
        image: docker.io/library/python:3.12-slim
        command: [python3, train.py, --lr, "{lr}", --width, "{width}"]
        workdir: /work
        mounts: [".:/work:ro", "~/data:/data", {target: /scratch, size: 1GiB}]
        env: {OMP_NUM_THREADS: 4}
        secrets: {API_KEY: {file: ~/.keys/api}}
        sweep:
          grid:   {width: [64, 128, 256], seed: 1..5}
          zip:    {stage: [warm, main], epochs: [2, 20]}
          sample: {method: sobol, count: 4, seed: 7, space: {lr: "loguniform(1e-5, 1e-1)", opt: [adam, sgd]}}
          exclude: [{width: 256, stage: warm}]
          where: "width * epochs <= 2560"
        resources: {cpus: 4, memory: 8GiB, gpus: 1, numa: local, shm: 2GiB}
        limits: {time: 2h, parallel: 16, failures: 10%}
        retry: {attempts: 3, on: [node_lost, out_of_memory, "exit 75", "log /ECC error/"], backoff: {initial: 10s, factor: 2, max: 10m}, memory_factor: 1.5}
        stop: {signal: SIGUSR1, grace: 30s}
        collect: ["metrics.json", "checkpoints/best*"]
        metrics: {val_loss: min}
        after: {ok: prepare}
        notify: {on: [finished, failed], run: "true"}
        """

    @Test("every key is read")
    func everyKey() throws {
        let spec = try parse(Self.full)
        #expect(
            spec.mounts == [
                Mount(source: "/specs", destination: "/work", readOnly: true),
                Mount(source: "/home/me/data", destination: "/data"),
                Mount(kind: .tmpfs, source: "", destination: "/scratch", size: 1 << 30),
            ])
        #expect(spec.env == ["OMP_NUM_THREADS": "4"])
        #expect(spec.secrets == ["API_KEY": .file("/home/me/.keys/api")])
        #expect(
            spec.resources
                == ResourceRequest(cpus: 4, memory: 8 << 30, gpus: 1, numa: .local, shm: 2 << 30))
        #expect(
            spec.limits.time == 7_200_000 && spec.limits.parallel == 16
                && spec.limits.failures == .percent(10))
        #expect(
            spec.retry.attempts == 3
                && spec.retry.on == [.nodeLost, .outOfMemory, .exit(75), .log("ECC error")])
        #expect(spec.retry.backoff == RetryPolicy.Backoff(initial: 10_000, factor: 2, max: 600_000))
        #expect(spec.stop == StopPolicy(signal: 10, grace: 30_000))
        #expect(spec.after == [Dependency(condition: .ok, job: "prepare")])
        #expect(spec.metrics == [MetricGoal(name: "val_loss", direction: .min)])
        let expansion = try SweepExpansion(spec.sweep)
        #expect(expansion.names == ["width", "seed", "stage", "epochs", "lr", "opt"])
        // 3 widths × 5 seeds × 2 stages × 4 samples = 120, less 256/warm (20), less main where width × 20 > 2560 (256: 20).
        #expect(expansion.count == 80)
    }

    @Test("JSON is read as YAML is")
    func json() throws {
        let spec = try parse(
            "{\"image\": \"host\",\n\t\"command\": [\"echo\", \"{a}\"], \"sweep\": {\"grid\": {\"a\": [1, 2]}}}"
        )
        #expect(spec.command == ["echo", "{a}"])
        #expect(try SweepExpansion(spec.sweep).count == 2)
    }

    @Test("flags make a spec without a file, and win over one")
    func flags() throws {
        let overrides = [
            SpecOverride(["image"], "host", origin: "--image"),
            SpecOverride(["sweep", "grid", "lr"], "0.1,0.01", origin: "--sweep", form: .values),
            SpecOverride(["sweep", "grid", "seed"], "1..5", origin: "--sweep", form: .values),
            SpecOverride(["resources", "cpus"], "2", origin: "--cpus"),
            SpecOverride(["mounts"], "data:/data", origin: "--mount", mode: .append),
            SpecOverride(["command"], "echo", origin: "--", mode: .append),
            SpecOverride(["command"], "{lr}", origin: "--", mode: .append),
        ]
        let spec = try parse(nil, overrides)
        #expect(spec.name == "echo")
        #expect(spec.command == ["echo", "{lr}"])
        #expect(spec.mounts.first?.source == "/here/data")
        #expect(try SweepExpansion(spec.sweep).count == 10)
        let over = try parse(
            "image: other\nname: mine\ncommand: [a]\nresources: {cpus: 8, memory: 1G}",
            Array(overrides[0...3]))
        #expect(
            over.image == "host" && over.name == "mine" && over.resources.cpus == 2
                && over.resources.memory == 1 << 30)
    }

    @Test(
        "a mistake is told where it stands",
        arguments: [
            ("image: host\ncomand: [a]\ncommand: [b]", "sweep.yaml:2:1", "did you mean 'command'?"),
            (
                "image: host\ncommand: [a]\nresources: {cpus: many}", "sweep.yaml:3:19",
                "cpus must be a whole number"
            ),
            (
                "image: host\ncommand: [a, '{leaning_rate}']\nsweep: {grid: {learning_rate: [1]}}",
                "sweep.yaml:2:15", "learning_rate"
            ),
            (
                "image: host\ncommand: [a]\nsweep:\n  grid: {lr: [1]}\n  zip: {lr: [1, 2]}",
                "sweep.yaml:5:9", "twice"
            ),
            ("image: host\ncommand: [a]\nimage: other", "sweep.yaml:3:1", "a second time"),
            ("image: host\ncommand: [a]\nsweep: {grid: {lr: []}}", "sweep.yaml:3:20", "no values"),
            ("image: host\ncommand: [a]\nsweep: {}", "sweep.yaml:3:8", "empty"),
            (
                "image: host\ncommand: [a]\nsweep: {zip: {a: [1, 2], b: [1, 2, 3]}}",
                "sweep.yaml:3:29", "one length"
            ),
            (
                "image: host\ncommand: [a]\nlimits: {time: 2 fortnights}", "sweep.yaml:3:16",
                "fortnights"
            ),
            ("image: host\ncommand: [a]\nresources: {memory: lots}", "sweep.yaml:3:21", "lots"),
            (
                "image: host\ncommand: [a]\nsweep:\n  grid: {width: [1]}\n  where: widht > 3",
                "sweep.yaml:5:10", "width"
            ),
            (
                "image: host\ncommand: [a]\nsweep:\n  grid: {width: [1]}\n  where: width >",
                "sweep.yaml:5:17", "missing"
            ),
            ("image: host\ncommand: [a]\nsweep: {grid: {a: 5..1}}", "sweep.yaml:3:19", "empty"),
            ("image: host\ncommand: [a]\nmounts: ['data']", "sweep.yaml:3:10", "not a mount"),
            (
                "image: host\ncommand: [a]\nsecrets: {KEY: hunter2}", "sweep.yaml:3:16",
                "does not belong"
            ),
            ("image: host\ncommand: [a]\nretry: {on: [nodelost]}", "sweep.yaml:3:14", "node_lost"),
            (
                "image: host\ncommand: [a]\nsweep: {sample: {count: 2, space: {lr: logunifrom(1, 2)}}}",
                "sweep.yaml:3:40", "loguniform"
            ),
            (
                "image: host\ncommand: [a]\nsweep: {from: none.csv}", "sweep.yaml:3:15",
                "/specs/none.csv"
            ),
            ("name: x", "sweep.yaml:1:1", "image is missing"),
            ("image: Big/Name:x\ncommand: [a]", "sweep.yaml:1:8", "lower case"),
            ("name: 2024_01\nimage: host\ncommand: [a]", "sweep.yaml:1:7", "selected"),
            ("image: host\ncommand: [a]\nsweep:", "sweep.yaml:3:7", "empty"),
            (
                "image: host\nscript: |\n  a\n    echo {leaning_rate} {print}\nsweep: {grid: {learning_rate: [1]}}",
                "sweep.yaml:4:10", "learning_rate"
            ),
            ("image: host\ncommand: [a]\nenv: {A: '{x}'}", "sweep.yaml:3:11", "'x'"),
            ("image: host\ncommand: [a]\nentrypoint: ['{x}']", "sweep.yaml:3:15", "'x'"),
            ("image: host\ncommand: [a]\nworkdir: '/tmp/{x}'", "sweep.yaml:3:16", "{x}"),
            ("image: host\ncommand: [a]\nretry: {on: ['log /[/']}", "sweep.yaml:3:14", "regular"),
            (
                "image: host\ncommand: [a]\nsweep: {grid: {a: [1, 2..9223372036854775807]}}",
                "sweep.yaml:3:23", "at most 100000000"
            ),
            (
                "image: host\ncommand: [a]\nsweep: {grid: {a: [1, null]}}", "sweep.yaml:3:23",
                "quotes"
            ),
            (
                "image: host\ncommand: [a]\nsweep: {sample: {count: 2, space: {n: int(0, 9223372036854775807)}}}",
                "sweep.yaml:3:39", "2^53"
            ),
            (
                "image: host\ncommand: [a]\nsweep: {sample: {count: 2, space: {n: uniform(0, inf)}}}",
                "sweep.yaml:3:39", "rising"
            ),
            (
                "image: host\ncommand: [a]\nsweep:\n  grid: {a-b: [1]}\n  where: a-b > 3",
                "sweep.yaml:5:10", "minus"
            ),
            (
                "image: host\ncommand: [a]\nsweep: {sample: {count: 2, space: {o: beta(1, 2)}}}",
                "sweep.yaml:3:39", "quote all of it"
            ),
            // Told in the order of the file, whatever is read first.
            (
                "sweep: {grid: {a: []}}\nimage: Bad:x\ncommand: ['{c}']", "sweep.yaml:1:19",
                "no values"
            ),
            ("image: host\ncommand: [a", "sweep.yaml:3:1", "not YAML"),
        ])
    func mistakes(text: String, place: String, says: String) throws {
        let error = try #require(throws: SpecError.self) { try parse(text + "\n") }
        #expect(error.diagnostics.first?.place == place, "\(error)")
        #expect(error.description.contains(says), "\(error)")
    }

    @Test("all mistakes are told at once")
    func several() throws {
        let error = try #require(throws: SpecError.self) {
            try parse("image: host\ncommand: [a]\nresources: {cpus: x, memory: y, gpu: 1}\n")
        }
        #expect(error.diagnostics.count == 3)
    }

    private func values(_ axis: String) throws -> [String] {
        let spec = try parse(
            nil,
            [
                SpecOverride(["image"], "host", origin: "--image"),
                SpecOverride(["command"], "a", origin: "--", mode: .append),
                SpecOverride(["sweep", "grid", "a"], axis, origin: "--sweep", form: .values),
            ])
        return try points(spec)
    }

    private func points(_ spec: JobSpec) throws -> [String] {
        let expansion = try SweepExpansion(spec.sweep)
        return (0..<expansion.count).map { expansion.point(at: $0).json }
    }

    @Test(
        "an axis in a flag is what one sees: blanks are none of it, ranges may stand in it, quotes make text",
        arguments: [
            ("0.1, 0.01", ["0.1", "0.01"]), ("1..3,7", ["1", "2", "3", "7"]),
            ("0..1 step 0.5, linspace(2, 3, 2)", ["0", "0.5", "1", "2", "3"]),
            ("'1..3', \"x, y\" ,z", [#""1..3""#, #""x, y""#, #""z""#]),
            ("''", [#""""#]), ("don't,../data,a..b", [#""don't""#, #""../data""#, #""a..b""#]),
            (
                "1.0,1e5,3.5,007,12345678901234567890",
                ["1", "100000", "3.5", #""007""#, #""12345678901234567890""#]
            ),
        ])
    func flagAxes(axis: String, expected: [String]) throws {
        #expect(try values(axis) == expected.map { "{\"a\": \($0)}" })
    }

    @Test("an axis in a flag that lacks a value is refused", arguments: ["", "1,,2", "1,", "'a"])
    func badFlagAxes(axis: String) throws {
        let error = try #require(throws: SpecError.self) { try values(axis) }
        #expect(error.diagnostics.first?.place == "--sweep")
    }

    @Test("ranges in a list are written out, and functions need no quotes inside braces")
    func lists() throws {
        let spec = try parse(
            """
            image: host
            script: print(uniform(1, 2), int(3))
            collect: ["uniform(", ")"]
            sweep:
              grid: {a: [1..2, 9], b: linspace(0, 1, 2), c: ['1..2']}
              sample: {count: 1, space: {x: uniform(0, 1), y: uniform(0, 1), z: choice(adam: 3, sgd: 0)}}
            """)
        #expect(spec.script == "print(uniform(1, 2), int(3))")
        #expect(spec.collect == ["uniform(", ")"])
        #expect(spec.sweep.grid[0].values == .list([.int(1), .int(2), .int(9)]))
        #expect(spec.sweep.grid[1].values == .linear(first: 0, last: 1, count: 2))
        #expect(spec.sweep.grid[2].values == .list([.string("1..2")]))
        #expect(
            spec.sweep.sample?.space.map(\.distribution) == [
                .uniform(0, 1), .uniform(0, 1),
                .choice([.string("adam"), .string("sgd")], weights: [3, 0]),
            ])
        let compact = try parse(
            "image: host\ncommand: [a]\nsweep: {sample: {count: 1, space: {z: \"choice(adam:3,'b:1':1)\"}}}"
        )
        #expect(
            compact.sweep.sample?.space.first?.distribution
                == .choice([.string("adam"), .string("b:1")], weights: [3, 1]))
    }

    @Test("tasks get the very texts that a dry run prints")
    func journey() throws {
        let spec = try parse(
            """
            image: host
            command: ["{a} {b} {c} {d} {e}"]
            sweep:
              grid: {a: [1.0, 1e5, 1e16, 1e19, 1e-7, -0.0, 3.10, 007, 1e300, true, x], b: linspace(0, 1, 4)}
              zip: {c: 0..2 step 0.5, d: logspace(1, 16, 5)}
              sample: {count: 5, seed: 1, space: {e: "uniform(0, 1e6)"}}
            """)
        var lines: [String] = []
        let expansion = try SweepExpansion(spec.sweep)
        Rendering.commands(spec, expansion) { lines.append($0) }
        for index in 0..<expansion.count {
            // As the server sends it to a node.
            let point = try JSONDecoder().decode(
                Point.self, from: JSONEncoder().encode(expansion.point(at: index)))
            let placeholders = Placeholders(
                point: point, task: TaskID(job: JobID(0), index: index))
            let word = placeholders.expand(spec.command[0])
            #expect(lines[index] == Rendering.shellQuoted(word) + "\n")
            #expect(point.json == expansion.point(at: index).json)
        }
    }

    @Test("a command in a flag wins over the file's script, and the other way round")
    func commandOverScript() throws {
        let command = [
            SpecOverride(["command"], "[]", origin: "--", form: .yaml),
            SpecOverride(["command"], "echo", origin: "--", mode: .append),
        ]
        let script = [SpecOverride(["script"], "echo hi", origin: "--script")]
        let spec = try parse("image: host\nscript: echo {x}\n", command)
        #expect(spec.command == ["echo"] && spec.script == nil)
        let other = try parse("image: host\ncommand: [echo, '{x}']\n", script)
        #expect(other.command.isEmpty && other.script == "echo hi")
        #expect(throws: SpecError.self) { try parse("image: host\n", command + script) }
    }

    @Test("a byte order mark, all signals, and names that no selector takes for a number are read")
    func small() throws {
        let spec = try parse(
            "\u{FEFF}image: host\ncommand: ['42']\nretry: {on: [signal SIGBUS, signal xcpu]}\n",
            [SpecOverride(["retry", "backoff", "factor"], "3", origin: "--backoff-factor")])
        #expect(spec.retry.on == [.signal(7), .signal(24)] && spec.retry.backoff.factor == 3)
        #expect(
            try parse(
                nil,
                [
                    SpecOverride(["image"], "host", origin: "--image"),
                    SpecOverride(["command"], "42", origin: "--", mode: .append),
                ]
            ).name == "job-42")
    }

    @Test("a mistake in a flag names the flag")
    func flagMistake() throws {
        let error = try #require(throws: SpecError.self) {
            try parse(
                "image: host\ncommand: [a]",
                [SpecOverride(["resources", "cpus"], "two", origin: "--cpus")])
        }
        #expect(error.diagnostics.first?.place == "--cpus")
    }

    @Test("rows of a file become points")
    func rows() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "martlet-spec-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try "lr,name\n0.1,\"a, \"\"b\"\"\"\r\n0.2,c\n".write(
            to: folder.appendingPathComponent("points.csv"), atomically: true, encoding: .utf8)
        try "{\"lr\": 0.1, \"n\": 3}\n\n{\"n\": 4, \"lr\": 1}\n".write(
            to: folder.appendingPathComponent("points.jsonl"), atomically: true, encoding: .utf8)
        func points(_ file: String) throws -> [String] {
            let spec = try SpecFile.parse(
                text: "image: host\ncommand: [a]\nsweep: {from: \(file)}", path: "s.yaml",
                directory: folder.path, workingDirectory: "/", home: "/")
            let expansion = try SweepExpansion(spec.sweep)
            return (0..<expansion.count).map { expansion.point(at: $0).json }
        }
        #expect(
            try points("points.csv") == [
                #"{"lr": 0.1, "name": "a, \"b\""}"#, #"{"lr": 0.2, "name": "c"}"#,
            ])
        #expect(try points("points.jsonl") == [#"{"lr": 0.1, "n": 3}"#, #"{"lr": 1, "n": 4}"#])
    }

    @Test("every example in JobSpecs reads")
    func examples() throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("JobSpecs").path
        let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter {
            $0.hasSuffix(".yaml") || $0.hasSuffix(".json")
        }
        #expect(names.count >= 4)
        for name in names {
            let text = try String(contentsOfFile: folder + "/" + name, encoding: .utf8)
            let spec = try SpecFile.parse(
                text: text, path: name, directory: folder, workingDirectory: folder, home: "/")
            #expect(try SweepExpansion(spec.sweep).count >= 1)
        }
    }
}

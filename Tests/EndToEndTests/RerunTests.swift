import Foundation
import Testing

/// `retry` of some tasks, `run --resume`, and keys, as a person types them.
@Suite("Running again", .serialized, .enabled(if: Machine.hasExecutables, "run `make build` first"))
struct RerunTests {
    private static func spec(_ values: String, _ command: String) -> String {
        """
        name: night
        image: host
        command: [/bin/sh, -c, "\(command)"]
        mounts: [".:/mnt"]
        sweep: {grid: {i: \(values)}}
        """
    }

    @Test(
        "a sweep is run, edited and resumed: what succeeded is kept, the rest runs, attempts lie apart"
    )
    func resume() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let file = sandbox.folder + "/night.yaml"
        func write(_ text: String) throws {
            try text.write(toFile: file, atomically: true, encoding: .utf8)
        }
        try write(Self.spec("1..4", "echo {i} >> /mnt/ran; echo first; test {i} != 3"))
        #expect(try sandbox.martlet("run", "--resume", file).status == 1, "there is none yet")
        // One more point, one less, and another command.
        try write(Self.spec("[2, 3, 4, 5]", "echo {i} >> /mnt/ran; echo second"))
        let refused = try sandbox.martlet("run", "--resume", file)
        #expect(refused.status == 2 && refused.errors.contains("--yes"))
        #expect(refused.errors.contains("command") && refused.errors.contains("+ /bin/sh -c"))
        let resumed = try sandbox.martlet("run", "--resume", "--yes", file)
        #expect(resumed.status == 0, "\(resumed.output)\(resumed.errors)")
        #expect(resumed.output.contains("job 1 goes on: 3 kept, 2 to run (1 new)"))
        let ran = Machine.text(sandbox.folder + "/ran")
        #expect(ran.split(separator: "\n").sorted() == ["1", "2", "3", "3", "4", "5"])
        let job = try sandbox.job("night")
        #expect(job.tasks.map(\.attempt) == [1, 1, 2, 1, 1])
        #expect(job.tasks.map(\.params["i"]) == (1...5).map { .number(Double($0)) })
        let third = try #require(job.tasks.dropFirst(2).first?.stdout)
        #expect(Machine.text(third) == "second\n")
        #expect(
            Machine.text(third.replacingOccurrences(of: "/2/2/", with: "/2/1/")) == "first\n",
            "the first attempt's output lies where it lay")
        // Nothing is left to do.
        let again = try sandbox.martlet("run", "--resume", file)
        #expect(again.status == 0 && again.output.contains("5 kept, 0 to run"))
    }

    @Test("a job whose points come from a sampler is not resumed, and that is said")
    func sampled() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let file = try sandbox.write(
            "night.yaml",
            """
            name: night
            image: host
            command: [/bin/true]
            metrics: {loss: min}
            sweep:
              sample:
                method: external
                command: [python3, "\(Sandbox.repository)/JobSpecs/sampler/nearby.py"]
                count: 2
                space: {x: "uniform(0, 1)"}
            """)
        #expect(try sandbox.martlet("run", file).status == 0)
        let resumed = try sandbox.martlet("run", "--resume", "--yes", file)
        #expect(resumed.status == 2)
        #expect(resumed.errors.contains("a sampler gives its points"), "\(resumed.errors)")
    }

    @Test("retry takes tasks by index, by point and by how they ended")
    func retry() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let run = try sandbox.martlet(
            "run", "--image", "host", "--name", "some", "--sweep", "i=0..5", "--time", "1s",
            "--grace", "0", "--", "/bin/sh", "-c", "test {i} != 5 || sleep 100; exit 1")
        #expect(run.status == 1)
        func attempts() throws -> [Int] { try sandbox.job("some").tasks.map(\.attempt) }
        func retry(_ arguments: String...) throws -> Outcome {
            let outcome = try sandbox.martlet(["retry", "some"] + arguments)
            #expect(try sandbox.martlet("wait", "some", "--timeout", "60s").status == 1)
            return outcome
        }
        #expect(try retry("--index", "0,2-3").output == "job 1: 3 tasks queued again\n")
        #expect(try attempts() == [2, 1, 2, 2, 1, 1])
        _ = try retry("--where", "i < 2")
        #expect(try attempts() == [3, 2, 2, 2, 1, 1])
        #expect(try retry("--timeout").output == "job 1: 1 task queued again\n")
        #expect(try attempts() == [3, 2, 2, 2, 1, 2])
        #expect(try retry("--lost").output == "job 1: nothing to run again\n")
        let wrong = try sandbox.martlet("retry", "some", "--where", "j < 2")
        #expect(wrong.status == 2 && wrong.errors.contains("it has i"))
    }

    @Test("a key that was used for another spec is refused, with the keys that differ")
    func key() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        func submit(_ word: String) throws -> Outcome {
            try sandbox.martlet(
                "submit", "--quiet", "--image", "host", "--key", "k", "--", "echo", word)
        }
        #expect(try submit("a").output == "1\n")
        #expect(try submit("a").output == "1\n")
        let refused = try submit("b")
        #expect(refused.status == 2 && refused.errors.contains("differs in command"))
    }
}

import JobModel
import SpecFile
import Testing

@Suite("Specs: external samplers")
struct SamplerSpecTests {
    private func parse(_ text: String) throws -> JobSpec {
        try SpecFile.parse(
            text: "image: host\ncommand: [a, \"{x}\"]\n" + text, path: "sweep.yaml",
            directory: "/specs", workingDirectory: "/here", home: "/home/me")
    }

    private static let space = "count: 8, space: {x: \"uniform(0, 1)\"}"

    @Test("an external sample has a command, run where the spec lies")
    func whole() throws {
        let spec = try parse(
            """
            sweep: {sample: {method: external, command: python3 sampler.py, parallel: 3, \(Self.space)}}
            metrics: {loss: min}
            """)
        let sampler = try #require(spec.sweep.sample?.sampler)
        #expect(sampler.command == ["python3", "sampler.py"] && sampler.parallel == 3)
        #expect(sampler.directory == "/specs" && spec.sweep.sample?.count == 8)
    }

    @Test(
        "mistakes are told where they stand",
        arguments: [
            ("sweep: {sample: {method: external, \(space)}}\nmetrics: {a: min}", "needs a command"),
            (
                "sweep: {sample: {method: lhs, command: [a], \(space)}}\nmetrics: {a: min}",
                "command is of method: external"
            ),
            ("sweep: {sample: {method: external, command: [a], \(space)}}", "names no metric"),
            (
                "sweep: {grid: {y: [1]}, sample: {method: external, command: [a], \(space)}}\nmetrics: {a: min}",
                "stands alone"
            ),
        ])
    func mistakes(text: String, words: String) throws {
        let error = try #require(throws: SpecError.self) { try parse(text) }
        #expect("\(error)".contains("sweep.yaml:3:") && "\(error)".contains(words), "\(error)")
    }
}

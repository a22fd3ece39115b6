import JobModel
import SpecFile
import Testing

@Suite("Resources in specs")
struct ResourceSpecTests {
    private func parse(_ text: String, _ overrides: [SpecOverride] = []) throws -> JobSpec {
        try SpecFile.parse(
            text: "image: host\ncommand: [x]\n" + text, path: "sweep.yaml", overrides: overrides,
            directory: "/specs", workingDirectory: "/here", home: "/home/me")
    }

    @Test("every key of resources is read")
    func everyKey() throws {
        let spec = try parse(
            """
            priority: -5
            resources:
              cpus: 8
              numa: spread
              smt: share
              nodes: 4
              packing: spread
              exclusive: true
              labels: {zone: a, generation: 4}
              gpus: {count: 2, model: H100, memory: 40GiB..80GiB, link: nvlink}
            """)
        var expected = ResourceRequest(cpus: 8, gpus: 2, numa: .spread)
        expected.smt = .share
        expected.nodes = 4
        expected.packing = .spread
        expected.exclusive = true
        expected.labels = ["zone": "a", "generation": "4"]
        expected.gpus.model = "H100"
        (expected.gpus.leastMemory, expected.gpus.mostMemory) = (40 << 30, 80 << 30)
        expected.gpus.link = .nvlink
        #expect(spec.resources == expected)
        #expect(spec.priority == -5)
    }

    @Test("GPUs are a number, a part of one, or what they have to be")
    func gpus() throws {
        func gpus(_ text: String) throws -> GPURequest {
            try parse("resources: {gpus: \(text)}").resources.gpus
        }
        #expect(try gpus("3") == 3)
        let half = try gpus("0.5")
        #expect(half.count == 1 && half.share == 500)
        #expect(try gpus("{count: 0.125}").share == 125)
        let open = try gpus("{memory: ..24GiB}")
        #expect(open.count == 1 && open.leastMemory == nil && open.mostMemory == 24 << 30)
        #expect(try gpus("{memory: 40GiB..}").leastMemory == 40 << 30)
        #expect(try gpus("{count: 2, profile: 1g.10gb}").profile == "1g.10gb")
    }

    @Test("flags for the number and for the rest of GPUs do not undo each other")
    func gpuFlags() throws {
        func flag(_ path: String, _ value: String) -> SpecOverride {
            SpecOverride(path.split(separator: ".").map(String.init), value, origin: "--\(path)")
        }
        let model = flag("resources.gpus.model", "A100")
        let number = flag("resources.gpus", "4")
        for spec in [
            try parse("resources: {gpus: 2}", [model, number]),
            try parse("resources: {gpus: {model: H100}}", [number, model]),
            try parse("", [number, model]), try parse("", [model, number]),
        ] {
            #expect(spec.resources.gpus.count == 4 && spec.resources.gpus.model == "A100")
        }
        let kept = try parse("resources: {gpus: 2}", [model])
        #expect(kept.resources.gpus.count == 2)
        #expect(try parse("resources: {gpus: 2}", [number]).resources.gpus == 4)
    }

    @Test(
        "mistakes are told where they stand",
        arguments: [
            ("resources: {numa: any}", "3:19", "none is its name now"),
            ("resources: {numa: lokal}", "3:19", "did you mean 'local'?"),
            ("resources: {smt: half}", "3:18", "whole, share"),
            ("resources: {gpus: two}", "3:19", "0.5 for half of one"),
            ("resources: {gpus: 1.5}", "3:19", "a part is of one GPU"),
            ("resources: {gpus: -1}", "3:19", "at least 0"),
            ("resources: {gpus: {cont: 2}}", "3:20", "did you mean 'count'?"),
            ("resources: {gpus: {memory: 40GiB}}", "3:28", "write 40GiB.. for"),
            ("resources: {gpus: {memory: 80GiB..40GiB}}", "3:28", "is empty"),
            ("resources: {gpus: {memory: much..}}", "3:28", "'much' is not a size"),
            ("resources: {gpus: {count: 0.5, link: nvlink}}", "3:38", "has no links"),
            ("resources: {gpus: {count: 0.5, profile: 1g.10gb}}", "3:41", "not shared"),
            ("resources: {gpus: {profile: small}}", "3:29", "no MIG profile"),
            ("resources: {nodes: 0}", "3:20", "at least 1"),
            ("resources: {labels: [a]}", "3:21", "must be a mapping"),
            ("priority: 2000", "3:11", "at most 1000"),
        ])
    func mistakes(text: String, place: String, words: String) {
        do {
            _ = try parse(text)
            Issue.record("it was taken")
        } catch {
            #expect("\(error)".contains("sweep.yaml:\(place)"), "\(error)")
            #expect("\(error)".contains(words), "\(error)")
        }
    }
}

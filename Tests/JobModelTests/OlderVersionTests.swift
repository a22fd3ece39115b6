import Foundation
import JobModel
import Testing

/// What agents and stores of an older version say, and what they can read.
struct OlderVersionTests {
    @Test("an agent that tells neither cores nor links is understood")
    func inventory() throws {
        let told =
            #"{"hostname":"h","numaNodes":[{"id":1,"cpus":[0,2],"memory":7}],"gpus":["GPU-1"]}"#
        let expected = NodeInventory(
            hostname: "h", numaNodes: [.init(id: 1, cpus: [0, 2], memory: 7)],
            gpus: [.init(id: "GPU-1")])
        #expect(
            try JSONDecoder().decode(NodeInventory.self, from: Data(told.utf8)) == expected)
    }

    @Test("what is told now reads back the same")
    func roundTrip() throws {
        let inventory = NodeInventory(
            hostname: "h", numaNodes: [.init(id: 0, cpus: [0, 1], memory: 7, distances: [10])],
            cores: [.init(cpus: [0, 1], l3: 2, kind: .efficiency)],
            gpus: [
                .init(
                    id: "MIG-1", vendor: .nvidia, model: "H100", memory: 5, numaNode: 0,
                    profile: "1g.10gb", parent: "GPU-1")
            ], gpuLinks: [[0]], labels: ["arch": "x86_64"])
        let bytes = try JSONEncoder().encode(inventory)
        #expect(try JSONDecoder().decode(NodeInventory.self, from: bytes) == inventory)
    }

    @Test("a number of GPUs is written as that number; anything more reads back the same")
    func gpus() throws {
        #expect(try String(decoding: JSONEncoder().encode([GPURequest(2)]), as: UTF8.self) == "[2]")
        var request = GPURequest(1)
        (request.share, request.model, request.leastMemory) = (500, "h100", 3)
        (request.mostMemory, request.link, request.profile) = (9, .nvlink, "1g.10gb")
        let bytes = try JSONEncoder().encode([request])
        #expect(try JSONDecoder().decode([GPURequest].self, from: bytes) == [request])
    }
}

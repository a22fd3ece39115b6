import Foundation
import Testing

@Suite("Topology", .enabled(if: Machine.hasExecutables, "run `make build` first"))
struct TopologyTests {
    private struct Document: Decodable {
        struct Node: Decodable {
            let id: Int
            let cpus: String
            let memoryBytes: Int64
            let distances: [Int]
            let gpuMemory: Bool
        }
        struct Core: Decodable {
            let id, package: Int
            let numaNode: Int?
            let cpus: String
        }
        struct GPU: Decodable {
            let index: Int
            let vendor, model, pciAddress, cpus: String
            let uuid: String?
            let deviceNodes: [DeviceNode]
        }
        struct DeviceNode: Decodable {
            let path: String
            let major, minor: Int
        }
        let numaNodes: [Node]
        let cores: [Core]
        let gpus: [GPU]
        let cdiDevices, notes: [String]
    }

    /// One core of two threads, a GPU, and two files of vendors, of which one is wrong.
    private func machine(_ sandbox: Sandbox) throws -> String {
        for cpu in 0..<2 {
            let folder = "m/sys/devices/system/cpu/cpu\(cpu)/topology/"
            _ = try sandbox.write(folder + "core_id", "4\n")
            _ = try sandbox.write(folder + "physical_package_id", "1\n")
            _ = try sandbox.write(folder + "core_cpus_list", "0-1\n")
        }
        _ = try sandbox.write("m/sys/devices/system/cpu/online", "0-1\n")
        _ = try sandbox.write("m/proc/meminfo", "MemTotal: 1048576 kB\n")
        _ = try sandbox.write(
            "m/proc/driver/nvidia/gpus/0000:01:00.0/information",
            "Model: \t NVIDIA T4\nGPU UUID: \t GPU-1\nDevice Minor: \t 3\n")
        _ = try sandbox.write(
            "m/etc/cdi/good.yaml",
            "cdiVersion: 0.6.0\nkind: v.com/gpu\ndevices:\n- {name: a, containerEdits: {env: [A=1]}}\n"
        )
        _ = try sandbox.write("m/etc/cdi/bad.json", "{}")
        return sandbox.folder + "/m"
    }

    @Test("another machine's files are drawn, and said in full as JSON")
    func sysroot() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let root = try machine(sandbox)
        let drawn = try sandbox.martlet("topology", "--sysroot", root)
        #expect(drawn.status == 0, "\(drawn.errors)")
        #expect(drawn.output.contains("NVIDIA T4") && drawn.output.contains("█ 0-1"))
        #expect(drawn.output.contains("v.com/gpu=a") && drawn.output.contains("bad.json"))
        let json = try sandbox.martlet("topology", "--json", "--sysroot", root)
        let document = try JSONDecoder().decode(Document.self, from: Data(json.output.utf8))
        #expect(document.numaNodes.map(\.cpus) == ["0-1"])
        #expect(document.numaNodes[0].memoryBytes == 1 << 30 && !document.numaNodes[0].gpuMemory)
        #expect(document.cores.map(\.id) == [4] && document.cores[0].package == 1)
        #expect(document.gpus.map(\.uuid) == ["GPU-1"])
        #expect(document.gpus[0].deviceNodes.map(\.path) == ["/dev/nvidia3"])
        #expect(document.cdiDevices == ["v.com/gpu=a"] && document.notes.count == 1)
    }

    @Test("this machine has CPUs, and a folder that is no machine is an error")
    func hereAndNowhere() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        #expect(try sandbox.martlet("topology").status == 0)
        let nowhere = try sandbox.martlet("topology", "--sysroot", sandbox.folder)
        #expect(nowhere.status == 3 && nowhere.errors.contains(sandbox.folder))
    }
}

import JobModel
import TerminalUI
import Testing

@testable import Topology

@Suite("Topology drawing")
struct TopologyDrawingTests {
    /// Two packages of two L3 domains with four cores each; one GPU each, and a third whose place is not known.
    private static var machine: NodeTopology {
        var node = NodeTopology()
        node.cpus.online = Array(0..<16)
        node.cpus.usable = Array(0..<12)
        node.cpus.offline = [16]
        for package in 0..<2 {
            let first = package * 8
            node.packages.append(.init(id: package, cpus: Array(first..<first + 8)))
            node.numaNodes.append(
                .init(
                    id: package, cpus: Array(first..<first + 8), memory: 64 << 30,
                    distances: package == 0 ? [10, 21] : [21, 10]))
            for cpu in first..<first + 8 {
                let kind: NodeInventory.Core.Kind? = cpu == 3 ? .efficiency : nil
                node.cores.append(
                    .init(
                        id: cpu, package: package, numaNode: package, l3: cpu / 4, cpus: [cpu],
                        kind: kind))
            }
        }
        node.l3Domains = (0..<4).map { .init(cpus: Array($0 * 4..<$0 * 4 + 4), size: 32 << 20) }
        for index in 0..<3 {
            var gpu = GPU(vendor: .nvidia, pciAddress: "0000:0\(index):00.0")
            gpu.model = "NVIDIA H100 80GB HBM3"
            gpu.memory = 80 << 30
            gpu.numaNode = index < 2 ? index : nil
            gpu.deviceNodes = [DeviceNode(path: "/dev/nvidia\(index)", major: 195, minor: index)]
            node.gpus.append(gpu)
        }
        node.gpus[1].isPartitioned = true
        node.gpus[1].mig = [
            MIGDevice(
                gpuInstance: 1, computeInstance: 0, uuid: "MIG-x", profile: "1g.10gb",
                memory: 9 << 30)
        ]
        node.gpuLinks = [[0, 10, 1850], [10, 0, 20], [1850, 20, 0]]
        node.architecture = "x86_64"
        node.notes = ["something is\nunknown"]
        return node
    }

    @Test("at 80 columns each L3 domain that fits stands beside the one before")
    func narrow() {
        let lines = TopologyDrawing(Self.machine, width: 80, isColoured: false).lines
        let expected = """
            2 packages · 16 cores · 16 CPUs · 128.0 GiB · 3 GPUs · x86_64
            ┌ Package 0 · 8 cores · 8 CPUs ──────────────────────────────────────────┐
            │ NUMA node 0 · 64.0 GiB · distances 10 21                               │
            │   L3 32.0 MiB ███▄ 0-3   L3 32.0 MiB ████ 4-7                          │
            │   GPU 0 NVIDIA H100 80GB HBM3 · 80.0 GiB · 0000:00:00.0 · /dev/nvidia0 │
            └────────────────────────────────────────────────────────────────────────┘
            ┌ Package 1 · 8 cores · 8 CPUs ──────────────────────────────────────────┐
            │ NUMA node 1 · 64.0 GiB · distances 21 10                               │
            │   L3 32.0 MiB ████ 8-11    L3 32.0 MiB ░░░░ 12-15                      │
            │   GPU 1 NVIDIA H100 80GB HBM3 · 80.0 GiB · 0000:01:00.0 · /dev/nvidia1 │
            │     MIG 1g.10gb · 9.0 GiB · MIG-x                                      │
            └────────────────────────────────────────────────────────────────────────┘
              GPU 2 NVIDIA H100 80GB HBM3 · 80.0 GiB · 0000:02:00.0 · /dev/nvidia2
                  GPU0  GPU1  GPU2
            GPU0  X     SYS   NV18
            GPU1  SYS   X     NODE
            GPU2  NV18  NODE  X
            NVn n direct links   SYS another socket   NODE one NUMA node
            █ performance core
            ▄ efficiency core
            ░ not for use: isolated, or outside of the affinity and cpuset of this process
            offline CPUs: 16
            note: something is·unknown
            """
        #expect(lines.joined(separator: "\n") == expected)
    }

    @Test(
        "no line is wider than the terminal, and what is cut says so", arguments: [40, 60, 80, 200])
    func width(columns: Int) {
        let lines = TopologyDrawing(Self.machine, width: columns, isColoured: false).lines
        #expect(lines.allSatisfy { $0.count <= columns })
        #expect(lines.contains { $0.contains("…") } == (columns < 80))
    }

    @Test("more L3 domains stand in a line where there is room")
    func wide() {
        var node = Self.machine
        for index in node.cores.indices {
            node.cores[index].package = 0
            node.cores[index].numaNode = 0
        }
        node.packages = [.init(id: 0, cpus: Array(0..<16))]
        node.numaNodes = [.init(id: 0, cpus: Array(0..<16), memory: 1 << 30, distances: [])]
        let lines = TopologyDrawing(node, width: 200, isColoured: false).lines
        #expect(lines.contains { $0.split(separator: "L3").count == 5 })
        #expect(
            !TopologyDrawing(node, width: 80, isColoured: false).lines.contains {
                $0.split(separator: "L3").count == 5
            })
    }

    @Test("an L3 domain of more cores than a line holds goes on in the next, and stands alone")
    func many() {
        var node = NodeTopology()
        node.cpus.usable = Array(0..<200)
        node.packages = [.init(id: 0, cpus: node.cpus.usable)]
        node.numaNodes = [.init(id: 0, cpus: node.cpus.usable, memory: 1 << 30, distances: [])]
        node.l3Domains = (0..<2).map { .init(cpus: Array($0 * 100..<$0 * 100 + 100), size: nil) }
        node.cores = node.cpus.usable.map {
            .init(id: $0, package: 0, numaNode: 0, l3: $0 / 100, cpus: [$0])
        }
        let narrow = TopologyDrawing(node, width: 80, isColoured: false).lines
        let cores = narrow.filter { $0.hasPrefix("│") && $0.contains("█") }
        #expect(cores.count == 4 && cores[0].contains("█ 0-99"))
        #expect(cores.joined().filter { $0 == "█" }.count == 200)
        let wide = TopologyDrawing(node, width: 300, isColoured: false).lines
        #expect(wide.filter { $0.hasPrefix("│") && $0.contains("█") }.count == 1)
    }

    @Test("colours add nothing to the text")
    func colours() {
        let plain = TopologyDrawing(Self.machine, width: 80, isColoured: false).lines
        let coloured = TopologyDrawing(Self.machine, width: 80, isColoured: true).lines
        #expect(coloured != plain)
        let escapes = #/\u{1b}\[[0-9]+m/#
        #expect(coloured.map { $0.replacing(escapes, with: "") } == plain)
    }
}

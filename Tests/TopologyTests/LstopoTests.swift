import Foundation
import Testing
import Topology

/// Captured machines as hwloc reads them from the same files.
@Suite("Captured machines")
struct LstopoTests {
    /// Differences, with why they are none.
    private static let explained: [(tree: String, lines: Set<String>, why: String)] = [
        (
            "nvidiagpunumanodes",
            [
                "allowed cpus 0-15,88-103", "allowed cpus 0-15", "allowed nodes 0,8,250-255",
                "allowed nodes 0",
            ],
            """
            hwloc takes what was asked for the cgroup /jjh, cpuset.cpus and cpuset.mems; the kernel held it to \
            cpuset.effective_cpus and cpuset.effective_mems, to which a task can be bound
            """
        ),
        (
            "64amd64-4s2n4ca2co",
            Set((0..<64).map { "core \($0 % 8) \($0)" })
                .union(stride(from: 0, to: 64, by: 2).map { "core \($0 % 8) \($0)-\($0 + 1)" }),
            """
            the kernel names the two integer cores of a Bulldozer module siblings, since they share its front end and \
            floating point unit, and whole cores are given by the kernel's word; hwloc overrides it for this family
            """
        ),
    ]

    @Test(
        "what hwloc reads from a tree is what is read here",
        .enabled(if: CapturedMachines.folder != nil, "no ../shared/topologies here"),
        .enabled(if: CapturedMachines.hasLstopo, "no lstopo-no-graphics here: .ci/packages test"),
        arguments: CapturedMachines.archives)
    func agreesWithHwloc(archive: String) throws {
        let (tree, root) = try CapturedMachines.unpack(archive)
        defer { withExtendedLifetime(tree) {} }
        let ours = Facts(try NodeTopology.read(root: root))
        let theirs = try Facts(lstopo: try CapturedMachines.lstopo(root))
        #expect(ours.lines.count > 20)
        let different = ours.lines.symmetricDifference(theirs.lines)
        let known = Self.explained.first { root.hasSuffix("/" + $0.tree) }
        #expect(different == known?.lines ?? [])
    }
}

/// What both readers say, a line for each fact.
struct Facts {
    var lines: Set<String> = []

    init(_ node: NodeTopology) {
        for package in node.packages { add("package", package.id, package.cpus) }
        for core in node.cores { add("core", core.id, core.cpus) }
        for cpu in node.cpus.online { lines.insert("pu \(cpu)") }
        for domain in node.l3Domains {
            lines.insert("l3 \(CPUList.text(domain.cpus)) of \(domain.size ?? 0) bytes")
        }
        for numa in node.numaNodes {
            let kind = numa.gpu == nil ? "" : ", a GPU's"
            lines.insert(
                "node \(numa.id) \(CPUList.text(numa.cpus)) of \(numa.memory) bytes\(kind)")
        }
        for device in node.pciDevices {
            let near = device.cpus.isEmpty ? node.cpus.online : device.cpus
            lines.insert("pci \(device.address) near \(CPUList.text(near))")
        }
        lines.insert("allowed cpus \(CPUList.text(node.cpus.usable))")
        let allowed = node.numaNodes.filter(\.isAllowed).map(\.id)
        lines.insert("allowed nodes \(CPUList.text(allowed))")
    }

    private mutating func add(_ kind: String, _ id: Int, _ cpus: [Int]) {
        lines.insert("\(kind) \(id) \(CPUList.text(cpus))")
    }

    /// The XML has one tag in a line.
    init(lstopo xml: String) throws {
        // Of each object that is open, the CPUs that it is in.
        var open: [String] = []
        for line in xml.split(separator: "\n") {
            let line = line.drop { $0 == " " }
            if line.hasPrefix("</object>") { open.removeLast() }
            guard line.hasPrefix("<object ") else { continue }
            let own = Self.attributes(line)
            let cpus = own["cpuset"].map(Self.list) ?? open.last ?? ""
            let id = own["os_index"] ?? ""
            switch own["type"] {
            case "Machine":
                lines.insert("allowed cpus \(Self.list(own["allowed_cpuset"] ?? ""))")
                lines.insert("allowed nodes \(Self.list(own["allowed_nodeset"] ?? ""))")
            case "Package": lines.insert("package \(id) \(cpus)")
            case "Core": lines.insert("core \(id) \(cpus)")
            case "PU": lines.insert("pu \(id)")
            case "L3Cache": lines.insert("l3 \(cpus) of \(own["cache_size"] ?? "0") bytes")
            case "NUMANode":
                let isGPU = own["subtype"] == "GPUMemory"
                // Placed beside the CPUs of its GPU.
                lines.insert(
                    "node \(id) \(isGPU ? "" : cpus) of \(own["local_memory"] ?? "0") bytes"
                        + (isGPU ? ", a GPU's" : ""))
            case "PCIDev": lines.insert("pci \(own["pci_busid"] ?? "") near \(cpus)")
            default: break
            }
            if !line.hasSuffix("/>") { open.append(cpus) }
        }
    }

    private static func attributes(_ tag: Substring) -> [String: String] {
        let parts = tag.split(separator: "\"", omittingEmptySubsequences: false)
        var attributes: [String: String] = [:]
        for index in stride(from: 0, to: parts.count - 1, by: 2) {
            let name = parts[index].split(separator: " ").last?.dropLast()
            attributes[String(name ?? "")] = String(parts[index + 1])
        }
        return attributes
    }

    /// `0x000000ff,,0x1` is a mask whose words may be empty.
    private static func list(_ mask: String) -> String {
        let words = mask.split(separator: ",", omittingEmptySubsequences: false)
        return CPUList.text(
            CPUList.parse(
                mask: words.map { $0.hasPrefix("0x") ? $0.dropFirst(2) : $0 }.joined(separator: ",")
            ))
    }
}

enum CapturedMachines {
    /// `shared/topologies` beside the repository.
    static let folder: URL? = {
        var place = URL(fileURLWithPath: #filePath)
        while place.path != "/" {
            place = place.deletingLastPathComponent()
            let folder = place.appendingPathComponent("shared/topologies")
            if FileManager.default.fileExists(atPath: folder.path) { return folder }
        }
        return nil
    }()

    static let archives: [String] = {
        guard let folder else { return [] }
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return names.filter { $0.hasSuffix(".tar.bz2") }.sorted()
    }()

    private static let program = "/usr/bin/lstopo-no-graphics"
    static let hasLstopo = FileManager.default.isExecutableFile(atPath: program)

    /// The tree that holds it, and the machine's root in there: the only folder.
    static func unpack(_ archive: String) throws -> (tree: Tree, root: String) {
        let tree = try Tree()
        let file = try #require(folder).appendingPathComponent(archive)
        _ = try output("/usr/bin/tar", ["-xf", file.path, "-C", tree.path])
        let name = try #require(FileManager.default.contentsOfDirectory(atPath: tree.path).first)
        return (tree, tree.path + "/" + name)
    }

    static func lstopo(_ root: String) throws -> String {
        try output(
            program, ["--of", "xml", "-"],
            // Its x86 part would ask the processor that runs it.
            [
                "HWLOC_FSROOT": root, "HWLOC_COMPONENTS": "-x86",
                "HWLOC_KEEP_NVIDIA_GPU_NUMA_NODES": "1",
            ])
    }

    static func output(
        _ program: String, _ arguments: [String], _ environment: [String: String] = [:]
    ) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
        return String(decoding: data, as: UTF8.self)
    }
}

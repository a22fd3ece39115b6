public import Simulation

/// A cluster that `martlet simulate` invents, read from a file of its own.
public struct ClusterFile: Sendable {
    public var groups: [NodeGroup] = []
    /// By the name of the job; `*` stands for those that are not named.
    public var durations: [String: TaskDuration] = [:]
    /// Milliseconds after the beginning, by the name of the job.
    public var submissions: [String: Int64] = [:]
    public var seed: UInt64 = 1

    /// What is taken for jobs of which nothing is said.
    public static let standardDuration = TaskDuration.constant(60_000)

    /// - Parameters:
    ///   - path: what diagnostics call the text.
    ///   - directory: absolute; where relative paths of captured trees are taken from.
    /// - Throws: every diagnostic of the text at once.
    public static func parse(text: String, path: String, directory: String) throws(SpecError)
        -> ClusterFile
    {
        let diagnostics = Diagnostics(path: path)
        let tree = try SpecNode.parse(text.withoutByteOrderMark, path: path)
        let file = ClusterFileReader(diagnostics: diagnostics, directory: directory).read(tree)
        guard diagnostics.isEmpty else { throw SpecError(diagnostics: diagnostics.list) }
        return file
    }

    public func duration(of job: String) -> TaskDuration {
        durations[job] ?? durations["*"] ?? Self.standardDuration
    }
}

final class ClusterFileReader {
    private let read: NodeReader
    private let directory: String

    init(diagnostics: Diagnostics, directory: String) {
        read = NodeReader(diagnostics: diagnostics)
        self.directory = directory
    }

    func read(_ tree: SpecNode) -> ClusterFile {
        var file = ClusterFile()
        var failures: NodeFailures?
        var nodes: SpecNode?
        read.mapping(
            tree, "a cluster",
            [
                "nodes": { nodes = $0 },
                "durations": { node in
                    for (key, value) in self.read.pairs(node, "durations") {
                        file.durations[key.scalar ?? ""] = self.duration(value)
                    }
                },
                "submit": { node in
                    for (key, value) in self.read.pairs(node, "submit") {
                        file.submissions[key.scalar ?? ""] = self.read.duration(value, "submit")
                    }
                },
                "failures": { failures = self.failures($0) },
                "seed": { node in
                    file.seed = UInt64(self.read.integer(node, "seed", in: 0...Int64.max) ?? 1)
                },
            ])
        guard let nodes else {
            read.fail(
                tree, "a cluster needs nodes", hint: "nodes: [{name: a, count: 4, cores: 64}]")
            return file
        }
        for node in read.items(nodes) {
            var group = group(node)
            group.failures = group.failures ?? failures
            if file.groups.contains(where: { $0.name == group.name }) {
                read.fail(node, "two groups of nodes are called '\(group.name)'")
            }
            file.groups.append(group)
        }
        return file
    }

    private func group(_ node: SpecNode) -> NodeGroup {
        var group = NodeGroup(name: "node")
        func count(_ key: String, upTo most: Int64, _ set: @escaping (Int) -> Void)
            -> (SpecNode) -> Void
        {
            { node in if let value = self.read.integer(node, key, in: 1...most) { set(Int(value)) }
            }
        }
        var cores: Int?
        var numa: Int?
        read.mapping(
            node, "a group of nodes",
            [
                "name": { group.name = self.read.string($0, "name") ?? group.name },
                "count": count("count", upTo: 100_000) { group.count = $0 },
                "packages": count("packages", upTo: 64) { group.packages = $0 },
                "numa": count("numa", upTo: 64) { numa = $0 },
                "cores": count("cores", upTo: 4096) { cores = $0 },
                "smt": count("smt", upTo: 8) { group.smt = $0 },
                "l3": count("l3", upTo: 4096) { group.l3Domains = $0 },
                "memory": { group.memory = self.read.size($0, "memory") ?? group.memory },
                "gpus": { group.gpus = self.gpus($0) },
                "labels": { node in
                    for (key, value) in self.read.pairs(node, "labels") {
                        group.labels[key.scalar ?? ""] = self.read.string(value, "a label")
                    }
                },
                "failures": { group.failures = self.failures($0) },
                "sysroot": { node in
                    guard let path = self.read.string(node, "sysroot") else { return }
                    group.sysroot = path.hasPrefix("/") ? path : self.directory + "/" + path
                },
            ])
        group.numaNodes = numa ?? group.packages
        group.cores = cores ?? group.numaNodes
        check(group, node)
        return group
    }

    private func check(_ group: NodeGroup, _ node: SpecNode) {
        if group.numaNodes % group.packages != 0 {
            read.fail(
                node,
                "\(group.numaNodes) NUMA nodes do not lie evenly in \(group.packages) packages")
        }
        if group.cores < group.numaNodes {
            read.fail(node, "\(group.cores) cores are fewer than \(group.numaNodes) NUMA nodes")
        }
        if let l3 = group.l3Domains, l3 % group.numaNodes != 0 || l3 > group.cores {
            read.fail(
                node,
                "\(l3) L3 caches do not lie evenly in \(group.numaNodes) NUMA nodes of \(group.cores) cores"
            )
        }
    }

    /// A number, or how many of which kind.
    private func gpus(_ node: SpecNode) -> NodeGroup.GPUs {
        var gpus = NodeGroup.GPUs(count: 0)
        guard case .mapping = node.content else {
            gpus.count = Int(read.integer(node, "gpus", in: 0...64) ?? 0)
            return gpus
        }
        read.mapping(
            node, "gpus",
            [
                "count": { gpus.count = Int(self.read.integer($0, "count", in: 0...64) ?? 0) },
                "model": { gpus.model = self.read.string($0, "model") ?? "" },
                "memory": { gpus.memory = self.read.size($0, "memory") },
                "link": {
                    gpus.link = self.read.choice($0, "link", NodeGroup.GPUs.Link.self) ?? .pcie
                },
            ])
        return gpus
    }

    private func failures(_ node: SpecNode) -> NodeFailures? {
        var failures = NodeFailures(meanBetween: 30 * 86_400_000, meanRepair: 3_600_000)
        read.mapping(
            node, "failures",
            [
                "every": { failures.meanBetween = max(1, self.read.duration($0, "every") ?? 1) },
                "repair": { failures.meanRepair = max(1, self.read.duration($0, "repair") ?? 1) },
            ])
        return failures
    }

    /// `10m`, `constant(10m)`, `uniform(5m, 20m)`, `lognormal(10m, 0.8)`.
    private func duration(_ node: SpecNode) -> TaskDuration? {
        let text = node.scalar ?? ""
        if let constant = ScalarText.duration(text) { return .constant(constant) }
        guard let call = Call(text) else { return wrong(node, text) }
        let times = call.arguments.map(ScalarText.duration)
        switch (call.name, times.count) {
        case ("constant", 1):
            if let time = times[0] { return .constant(time) }
        case ("uniform", 2):
            if let low = times[0], let high = times[1], low <= high { return .uniform(low, high) }
        case ("lognormal", 2):
            if let median = times[0], let sigma = ScalarText.number(call.arguments[1]), sigma >= 0 {
                return .lognormal(median: median, sigma: sigma)
            }
        default: break
        }
        return wrong(node, text)
    }

    private func wrong(_ node: SpecNode, _ text: String) -> TaskDuration? {
        read.fail(
            node, "'\(text)' is no duration of tasks",
            hint: "write 10m, uniform(5m, 20m) or lognormal(10m, 0.8): median and sigma")
        return nil
    }
}

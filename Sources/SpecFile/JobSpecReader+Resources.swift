internal import JobModel

extension JobSpecReader {
    func resources(_ node: SpecNode) -> ResourceRequest {
        var request = ResourceRequest()
        read.mapping(
            node, "resources",
            [
                // 0 reserves nothing and pins to nothing.
                "cpus": { request.cpus = self.count($0, "cpus", 0...4096) ?? 1 },
                "memory": { request.memory = self.read.size($0, "memory") },
                "gpus": { request.gpus = self.gpus($0) },
                "numa": { request.numa = self.numa($0) },
                "smt": {
                    request.smt = self.read.choice($0, "smt", ResourceRequest.SMT.self) ?? .whole
                },
                "nodes": { request.nodes = self.count($0, "nodes", 1...4096) ?? 1 },
                "packing": { node in
                    let type = ResourceRequest.Packing.self
                    request.packing = self.read.choice(node, "packing", type) ?? .pack
                },
                "exclusive": { request.exclusive = self.read.bool($0, "exclusive") ?? false },
                "labels": { request.labels = self.labels($0) },
                "shm": { request.shm = self.read.size($0, "shm") },
                "pids": { request.pids = self.read.integer($0, "pids", in: 1...4_194_304) },
            ])
        return request
    }

    func priority(_ node: SpecNode) -> Priority {
        Priority(count(node, "priority", -1000...1000) ?? 0)
    }

    private func count(_ node: SpecNode, _ what: String, _ range: ClosedRange<Int64>) -> Int? {
        read.integer(node, what, in: range).map { Int($0) }
    }

    private func numa(_ node: SpecNode) -> ResourceRequest.NUMA {
        guard node.scalar != "any" else {
            read.fail(node, "numa has no 'any'", hint: "none is its name now")
            return .none
        }
        return read.choice(node, "numa", ResourceRequest.NUMA.self) ?? .local
    }

    /// Members of one task reach each other on the machines' own network.
    func checkNodes(_ spec: JobSpec, _ network: SpecNode?) {
        guard spec.resources.nodes > 1, spec.network != .host, let network else { return }
        read.fail(
            network, "a task on several nodes cannot have a private network",
            hint: "its parts would not reach each other: leave network and ports out")
    }

    private func labels(_ node: SpecNode) -> [String: String] {
        var labels: [String: String] = [:]
        for (key, value) in read.pairs(node, "labels") {
            guard let name = key.scalar, let text = read.string(value, "the label \(name)") else {
                continue
            }
            labels[name] = text
        }
        return labels
    }

    // MARK: GPUs

    /// `2`, `0.5`, or a mapping of which all may be left out.
    private func gpus(_ node: SpecNode) -> GPURequest {
        guard case .mapping = node.content else { return gpuCount(node) }
        var request = GPURequest(1)
        var (link, profile): (SpecNode?, SpecNode?)
        read.mapping(
            node, "gpus",
            [
                "count": { node in
                    let count = self.gpuCount(node)
                    (request.count, request.share) = (count.count, count.share)
                },
                "model": { request.model = self.read.string($0, "model") },
                "memory": { node in
                    let bounds = self.memoryBounds(node)
                    (request.leastMemory, request.mostMemory) = (bounds.least, bounds.most)
                },
                "link": { node in
                    link = node
                    request.link = self.read.choice(node, "link", GPURequest.Link.self) ?? .any
                },
                "profile": { node in
                    profile = node
                    request.profile = self.profile(node)
                },
            ])
        if let link, request.link == .nvlink, request.share != nil || request.profile != nil {
            read.fail(
                link,
                "\(request.share != nil ? "a part of a GPU" : "a slice of a GPU") has no links",
                hint: "leave link out, or ask for whole GPUs")
        }
        if let profile, request.share != nil {
            read.fail(
                profile, "a slice is not shared any further",
                hint: "count: 1 for the whole slice; or leave profile out")
        }
        return request
    }

    /// Whole GPUs, or a part of one in thousandths.
    private func gpuCount(_ node: SpecNode) -> GPURequest {
        if let count = node.scalar.flatMap({ Int($0) }) {
            guard (0...64).contains(count) else {
                read.fail(node, "gpus is \(count); it must be at least 0 and at most 64")
                return 0
            }
            return GPURequest(count)
        }
        guard let part = node.scalar.flatMap(ScalarText.number) else {
            read.fail(
                node, "gpus must be a number, not '\(node.scalar ?? "a structure")'",
                hint: "write 2, 0.5 for half of one, or {count: 2, model: H100, link: nvlink}")
            return 0
        }
        let share = (part * 1000).rounded()
        guard (1..<1000).contains(share), abs(part * 1000 - share) < 1e-6 else {
            read.fail(
                node, "gpus is \(node.scalar ?? ""); a part is of one GPU, in steps of 0.001",
                hint: "write whole GPUs, or 0.001 to 0.999 of one")
            return 0
        }
        var request = GPURequest(1)
        request.share = Int(share)
        return request
    }

    /// `40GiB..80GiB`, `40GiB..`, `..24GiB`; both ends are within.
    private func memoryBounds(_ node: SpecNode) -> (least: Int64?, most: Int64?) {
        let text = node.scalar ?? "a structure"
        let ends = text.components(at: "..").map(\.trimmed)
        guard ends.count == 2, ends != ["", ""] else {
            let isSize = ScalarText.size(text) != nil
            read.fail(
                node, "memory of a GPU must be a range, not '\(text)'",
                hint: isSize
                    ? "write \(text.trimmed).. for that much or more"
                    : "write 40GiB.., ..24GiB or 40GiB..80GiB")
            return (nil, nil)
        }
        let sizes = ends.map { $0.isEmpty ? nil : ScalarText.size($0) }
        for (end, size) in zip(ends, sizes) where !end.isEmpty && size == nil {
            read.fail(
                node, "memory of a GPU: '\(end)' is not a size",
                hint: "write 40GiB.., ..24GiB or 40GiB..80GiB")
            return (nil, nil)
        }
        if let least = sizes[0], let most = sizes[1], least > most {
            read.fail(node, "memory of a GPU: '\(text)' is empty, it ends before it begins")
        }
        return (sizes[0], sizes[1])
    }

    /// Of a MIG device, as nvidia-smi names it: `1g.10gb`, `2g.20gb+me`.
    private func profile(_ node: SpecNode) -> String? {
        guard let text = read.string(node, "profile")?.lowercased() else { return nil }
        guard text.wholeMatch(of: /(\d+c\.)?\d+g\.\d+gb([+\-][a-z.]+)*/) != nil else {
            read.fail(
                node, "'\(text)' is no MIG profile",
                hint: "as nvidia-smi -L names it: 1g.10gb, 3g.40gb")
            return nil
        }
        return text
    }
}

internal import JobModel

extension JobSpecReader {
    /// From `network` and `ports`. Ports alone ask for a private network: the machine's own needs none.
    func network(_ mode: SpecNode?, _ ports: SpecNode?) -> Network {
        let isPrivate = mode.flatMap(isPrivate)
        guard let ports else { return isPrivate == true ? .private(ports: []) : .host }
        let mappings = self.ports(ports)
        if isPrivate == false, let mode {
            read.fail(
                mode, "ports are published from a private network alone",
                hint:
                    "write network: private, or leave ports out: on the machine's own network a task's ports are the machine's"
            )
        }
        return .private(ports: mappings)
    }

    /// Nil where it is neither, which is told.
    private func isPrivate(_ node: SpecNode) -> Bool? {
        enum Mode: String, CaseIterable { case host, `private` }
        return read.choice(node, "network", Mode.self).map { $0 == .private }
    }

    private func ports(_ node: SpecNode) -> [PortMapping] {
        var known: [PortMapping] = []
        for item in read.items(node) {
            for mapping in port(item) {
                if let other = known.first(where: { $0.conflicts(with: mapping) }) {
                    read.fail(item, "\(mapping) and \(other) are one port of the node")
                }
                known.append(mapping)
            }
        }
        guard known.count <= PortMapping.longestRange else {
            read.fail(node, "\(known.count) ports; at most \(PortMapping.longestRange) are taken")
            return []
        }
        return known
    }

    private func port(_ node: SpecNode) -> [PortMapping] {
        guard let text = read.string(node, "a port") else { return [] }
        for case .name(let name, let offset) in Placeholders.pieces(of: text) {
            diagnostics.add(
                node.place(of: offset), "ports take no placeholders, and this one names {\(name)}",
                hint:
                    "write \":8888\": each task gets a free port of its node, tells it as MARTLET_PORT_8888, and `martlet show` lists it"
            )
            return []
        }
        do throws(PortMapping.Malformed) { return try PortMapping.parse(text) } catch {
            read.fail(node, error.message, hint: error.hint)
            return []
        }
    }
}

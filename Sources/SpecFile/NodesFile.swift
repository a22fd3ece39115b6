public import JobModel

/// nodes.yaml: the machines of a user's cluster.
public struct NodesFile: Sendable {
    public var nodes: [NodeSpec] = []

    /// - Parameter path: what diagnostics call the text.
    /// - Throws: every diagnostic of the text at once.
    public static func parse(text: String, path: String) throws(SpecError) -> NodesFile {
        let diagnostics = Diagnostics(path: path)
        let tree = try SpecNode.parse(text.withoutByteOrderMark, path: path)
        let file = NodesFileReader(diagnostics: diagnostics).read(tree)
        guard diagnostics.isEmpty else { throw SpecError(diagnostics: diagnostics.list) }
        return file
    }
}

final class NodesFileReader {
    private let read: NodeReader
    private var nodes: [NodeSpec] = []
    private var names: Set<String> = []

    init(diagnostics: Diagnostics) { read = NodeReader(diagnostics: diagnostics) }

    func read(_ tree: SpecNode) -> NodesFile {
        var list: SpecNode?
        read.mapping(tree, "a list of nodes", ["nodes": { list = $0 }])
        guard let list else {
            read.fail(tree, "there are no nodes", hint: "nodes: [gpu01, {name: big, port: 2222}]")
            return NodesFile()
        }
        for item in read.items(list) {
            if case .mapping = item.content { add(described: item) } else { add(item) { $0 } }
        }
        return NodesFile(nodes: nodes)
    }

    /// A name, or many by ranges; each becomes a node that `change` completes.
    private func add(_ node: SpecNode, _ change: (NodeSpec) -> NodeSpec) {
        guard let text = read.string(node, "a node's name") else { return }
        do throws(HostRange.Failure) {
            for spec in try NodeSpec.all(typed: text) {
                if names.count >= HostRange.most {
                    read.fail(node, "these are more than \(HostRange.most) nodes")
                    return
                }
                guard names.insert(spec.name).inserted else {
                    read.fail(node, "two nodes are called '\(spec.name)'")
                    return
                }
                nodes.append(change(spec))
            }
        } catch {
            read.diagnostics.add(node.place(of: error.column - 1), error.message)
        }
    }

    private func add(described node: SpecNode) {
        var name: SpecNode?
        var (user, host): (String?, NodeSpec?)
        var settings = NodeSpec(name: "", destination: "")
        read.mapping(
            node, "a node",
            [
                "name": { name = $0 },
                "host": { host = self.host($0) },
                "user": { user = self.user($0) },
                "address": { settings.address = self.read.string($0, "address") },
                "port": {
                    settings.port = self.read.integer($0, "port", in: 1...65535).map(Int.init)
                },
                "labels": { node in
                    for (key, value) in self.read.pairs(node, "labels") {
                        settings.labels[key.scalar ?? ""] = self.read.string(value, "a label")
                    }
                },
                "directory": { settings.directory = self.directory($0) },
                "lease": { settings.lease = self.lease($0) },
                "pull": { settings.pulls = self.read.bool($0, "pull") },
                "accept_new": {
                    settings.acceptsNewHostKey = self.read.bool($0, "accept_new") ?? false
                },
            ])
        guard let name else {
            return read.fail(node, "a node needs a name", hint: "name: gpu[01-16]")
        }
        if host != nil, name.scalar?.contains("[") == true {
            return read.fail(name, "several nodes have no one host", hint: "leave host out")
        }
        add(name) { typed in
            var spec = settings
            spec.name = typed.name
            let reached = host ?? typed
            spec.destination = reached.destination
            if let user, !reached.destination.contains("@") {
                spec.destination = user + "@" + reached.destination
            }
            spec.port = reached.port ?? settings.port
            return spec
        }
    }

    /// `[user@]host[:port]` of one machine, which then has another name.
    private func host(_ node: SpecNode) -> NodeSpec? {
        guard let text = read.string(node, "host") else { return nil }
        do throws(HostRange.Failure) {
            let hosts = try NodeSpec.all(typed: text)
            if hosts.count == 1 { return hosts[0] }
            read.fail(node, "host is one machine", hint: "name: gpu[01-16], without host")
        } catch {
            read.diagnostics.add(node.place(of: error.column - 1), error.message)
        }
        return nil
    }

    private func user(_ node: SpecNode) -> String? {
        guard let user = read.string(node, "user") else { return nil }
        if user.isEmpty || user.hasPrefix("-") || user.contains(where: { $0 == "@" || $0 == " " }) {
            read.fail(node, "'\(user)' is no user's name")
        }
        return user
    }

    private func directory(_ node: SpecNode) -> String? {
        guard let path = read.string(node, "directory") else { return nil }
        if !path.hasPrefix("/") {
            read.fail(node, "'\(path)' is not absolute: it is a directory on the node")
        }
        return path
    }

    /// A duration, or `off`: 0 means for ever.
    private func lease(_ node: SpecNode) -> Int64? {
        if node.scalar == "off" { return 0 }
        guard let lease = read.duration(node, "lease") else { return nil }
        if lease < NodeSpec.shortestLease {
            read.fail(
                node, "a lease of less than a minute ends tasks at every hiccup of the network",
                hint: "lease: 40m, or lease: off")
        }
        return lease
    }
}

internal import JobModel

extension JobSpecReader {
    func environment(_ node: SpecNode) -> [String: String] {
        var result: [String: String] = [:]
        for (key, value) in read.pairs(node, "env") {
            guard let name = variable(key), let text = read.string(value, "the value of \(name)")
            else { continue }
            result[name] = text
        }
        return result
    }

    private func variable(_ node: SpecNode) -> String? {
        let name = node.scalar ?? ""
        // POSIX, "Environment Variables": no `=`; a digit in front is what no shell could read.
        guard !name.isEmpty, name.first?.isNumber == false,
            name.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") })
        else {
            read.fail(node, "'\(name)' cannot be the name of a variable")
            return nil
        }
        return name
    }

    func secrets(_ node: SpecNode) -> [String: SecretSource] {
        var result: [String: SecretSource] = [:]
        for (key, value) in read.pairs(node, "secrets") {
            guard let name = variable(key) else { continue }
            if value.scalar != nil {
                read.fail(
                    value, "a secret's value does not belong in a spec",
                    hint: "\(name): {file: ~/.keys/\(name.lowercased())}, or {env: \(name)}")
                continue
            }
            read.mapping(
                value, "a secret",
                [
                    "file": { node in
                        if let path = self.read.string(node, "file") {
                            result[name] = .file(self.path(path, node.place))
                        }
                    },
                    "env": { node in
                        if let variable = self.read.string(node, "env") {
                            result[name] = .environment(variable)
                        }
                    },
                ])
        }
        return result
    }

    /// `{ok: prepare}`; a list of jobs under each condition is allowed.
    func after(_ node: SpecNode) -> [Dependency] {
        read.pairs(node, "after").flatMap { key, value -> [Dependency] in
            guard let condition = read.choice(key, "the condition", Dependency.Condition.self)
            else { return [] }
            return read.strings(value, "a job").map { Dependency(condition: condition, job: $0) }
        }
    }

    // MARK: Mounts

    func mounts(_ node: SpecNode) -> [Mount] {
        let mounts = read.items(node).compactMap { item -> (Mount, SpecNode)? in
            (item.scalar != nil ? mountText(item) : mountMapping(item)).map { ($0, item) }
        }
        var taken: Set<String> = []
        for (mount, node) in mounts where !taken.insert(mount.destination).inserted {
            read.fail(node, "two mounts lie on \(mount.destination)")
        }
        return mounts.map(\.0)
    }

    /// `SRC:DST`, `SRC:DST:ro`, `SRC:DST:rw`, `tmpfs:DST[:size]`.
    private func mountText(_ node: SpecNode) -> Mount? {
        let parts = (node.scalar ?? "").split(separator: ":", omittingEmptySubsequences: false).map(
            String.init)
        let hint = "write SOURCE:/absolute/path, with :ro behind it for read-only, or tmpfs:/path"
        guard (2...3).contains(parts.count), !parts[0].isEmpty, parts[1].hasPrefix("/") else {
            read.fail(node, "'\(node.scalar ?? "")' is not a mount", hint: hint)
            return nil
        }
        if parts[0] == "tmpfs" {
            let size = parts.count == 3 ? ScalarText.size(parts[2]) : nil
            if parts.count == 3, size == nil { read.fail(node, "'\(parts[2])' is not a size") }
            return Mount(kind: .tmpfs, source: "", destination: parts[1], size: size)
        }
        guard parts.count == 2 || ["ro", "rw"].contains(parts[2]) else {
            read.fail(node, "'\(parts[2])' is no mount option", hint: "ro or rw")
            return nil
        }
        return Mount(
            source: path(parts[0], node.place), destination: parts[1],
            readOnly: parts.last == "ro" && parts.count == 3)
    }

    private func mountMapping(_ node: SpecNode) -> Mount? {
        var mount = Mount(source: "", destination: "")
        read.mapping(
            node, "a mount",
            [
                "source": { node in
                    mount.source =
                        self.read.string(node, "source").map { self.path($0, node.place) } ?? ""
                },
                "target": { mount.destination = self.absolute($0, "target") ?? "" },
                "read_only": { mount.readOnly = self.read.bool($0, "read_only") ?? false },
                "size": { mount.size = self.read.size($0, "size") },
            ])
        if mount.source.isEmpty { mount.kind = .tmpfs }
        guard !mount.destination.isEmpty else {
            read.fail(
                node, "a mount needs a target",
                hint:
                    "{source: /data, target: /data, read_only: true}; without a source it is a tmpfs"
            )
            return nil
        }
        return mount
    }
}

internal import Glibc
internal import JobModel

extension JobSpecReader {
    func limits(_ node: SpecNode) -> Limits {
        var limits = Limits()
        read.mapping(
            node, "limits",
            [
                "time": { limits.time = self.read.duration($0, "time") },
                "parallel": {
                    limits.parallel = self.read.integer($0, "parallel", in: 1...1_000_000).map {
                        Int($0)
                    }
                },
                "failures": { limits.failures = self.failures($0) },
            ])
        return limits
    }

    private func failures(_ node: SpecNode) -> FailureLimit? {
        let text = node.scalar?.trimmed ?? ""
        if text.hasSuffix("%") {
            if let percent = Double(text.dropLast()), (0...100).contains(percent) {
                return .percent(percent)
            }
        } else if let count = Int(text), count >= 0 {
            return .count(count)
        }
        read.fail(
            node, "failures must be a number of tasks or a percentage, not '\(text)'",
            hint: "write 3 or 10%")
        return nil
    }

    func retry(_ node: SpecNode) -> RetryPolicy {
        var policy = RetryPolicy()
        read.mapping(
            node, "retry",
            [
                "attempts": {
                    policy.attempts =
                        self.read.integer($0, "attempts", in: 1...1000).map { Int($0) } ?? 1
                },
                "on": { node in policy.on = self.read.items(node).compactMap(self.cause) },
                "memory_factor": { node in
                    guard let factor = self.read.number(node, "memory_factor") else { return }
                    if factor < 1 {
                        self.read.fail(node, "memory_factor must be at least 1")
                    } else {
                        policy.memoryFactor = factor
                    }
                },
                "backoff": { node in
                    self.read.mapping(
                        node, "backoff",
                        [
                            "initial": {
                                policy.backoff.initial = self.read.duration($0, "initial") ?? 0
                            },
                            "max": {
                                policy.backoff.max =
                                    self.read.duration($0, "max") ?? policy.backoff.max
                            },
                            "factor": { node in
                                guard let factor = self.read.number(node, "factor") else { return }
                                if factor < 1 {
                                    self.read.fail(node, "factor must be at least 1")
                                } else {
                                    policy.backoff.factor = factor
                                }
                            },
                        ])
                },
            ])
        return policy
    }

    /// `node_lost`, `out_of_memory`, `timeout`, `failed`, `exit 75`, `signal SIGBUS`, `log /ECC error/`.
    private func cause(_ node: SpecNode) -> RetryPolicy.Cause? {
        let text = node.scalar?.trimmed ?? ""
        let plain: [String: RetryPolicy.Cause] = [
            "node_lost": .nodeLost, "out_of_memory": .outOfMemory, "timeout": .timeout,
            "failed": .failed,
        ]
        if let cause = plain[text] { return cause }
        let word = text.prefix { !$0.isWhitespace }
        let rest = String(text.dropFirst(word.count)).trimmed
        switch word {
        case "exit": if let code = Int32(rest), (0...255).contains(code) { return .exit(code) }
        case "signal": if let signal = ScalarText.signal(rest) { return .signal(signal) }
        case "log":
            if rest.count > 2, rest.hasPrefix("/"), rest.hasSuffix("/") {
                let pattern = String(rest.dropFirst().dropLast())
                if let wrong = Self.mistake(in: pattern) {
                    read.fail(node, "'\(pattern)' is no regular expression: \(wrong)")
                }
                return .log(pattern)
            }
        default: break
        }
        read.fail(
            node, "'\(text)' is no cause for a retry",
            hint: Diagnostics.suggestion(text, plain.keys.sorted())
                ?? "node_lost, out_of_memory, timeout, failed, exit 75, signal SIGBUS or log /pattern/"
        )
        return nil
    }

    /// What regcomp(3), which the node searches with, says against an extended regular expression; nil where nothing.
    private static func mistake(in pattern: String) -> String? {
        var expression = regex_t()
        let code = regcomp(&expression, pattern, REG_EXTENDED | REG_NOSUB | REG_NEWLINE)
        guard code != 0 else {
            regfree(&expression)
            return nil
        }
        var text = [CChar](repeating: 0, count: 256)
        regerror(code, &expression, &text, text.count)
        return String(
            decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    func stop(_ node: SpecNode) -> StopPolicy {
        var policy = StopPolicy()
        read.mapping(
            node, "stop",
            [
                "signal": { node in
                    guard let signal = node.scalar.flatMap(ScalarText.signal) else {
                        return self.read.fail(
                            node, "'\(node.scalar ?? "")' is not a signal",
                            hint: "write SIGTERM, SIGINT, SIGUSR1 …")
                    }
                    policy.signal = signal
                },
                "grace": { policy.grace = self.read.duration($0, "grace") ?? policy.grace },
            ])
        return policy
    }

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

    func metrics(_ node: SpecNode) -> [MetricGoal] {
        read.pairs(node, "metrics").compactMap { key, value in
            read.choice(value, "the best of \(key.scalar ?? "a metric")", MetricGoal.Direction.self)
                .map {
                    MetricGoal(name: key.scalar ?? "", direction: $0)
                }
        }
    }

    /// `{ok: prepare}`; a list of jobs under each condition is allowed.
    func after(_ node: SpecNode) -> [Dependency] {
        read.pairs(node, "after").flatMap { key, value -> [Dependency] in
            guard let condition = read.choice(key, "the condition", Dependency.Condition.self)
            else { return [] }
            return read.strings(value, "a job").map { Dependency(condition: condition, job: $0) }
        }
    }

    func notify(_ node: SpecNode) -> Notification? {
        var events: [Notification.Event] = [.finished]
        var command: String?
        read.mapping(
            node, "notify",
            [
                "on": { node in
                    events = self.read.items(node).compactMap {
                        self.read.choice($0, "on", Notification.Event.self)
                    }
                },
                "run": { command = self.read.string($0, "run") },
            ])
        guard let command else {
            read.fail(
                node, "notify needs a command",
                hint: "notify: {on: finished, run: \"mail -s '{name} {state}' me@example.org\"}")
            return nil
        }
        return Notification(on: events, run: command)
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

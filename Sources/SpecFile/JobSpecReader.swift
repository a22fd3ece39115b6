internal import JobModel

/// The tree of a spec into a `JobSpec`; sections of some size have files of their own.
final class JobSpecReader {
    let diagnostics: Diagnostics
    let read: NodeReader
    let directory: String
    let workingDirectory: String
    let home: String

    init(diagnostics: Diagnostics, directory: String, workingDirectory: String, home: String) {
        self.diagnostics = diagnostics
        read = NodeReader(diagnostics: diagnostics)
        self.directory = directory
        self.workingDirectory = workingDirectory
        self.home = home
    }

    func read(_ tree: SpecNode, defaultName: String?) -> JobSpec? {
        var spec = JobSpec(name: "", image: "", command: [])
        var commandNodes: [SpecNode] = []
        var seen: Set<String> = []
        var sweep: (ParameterSweep, SweepReader)?
        read.mapping(
            tree, "a spec",
            [
                "name": { spec.name = self.read.string($0, "name") ?? "" },
                "image": { node in
                    seen.insert("image")
                    spec.image = self.image(node)
                },
                "entrypoint": { spec.entrypoint = self.words($0, "entrypoint") },
                "command": { node in
                    seen.insert("command")
                    commandNodes = self.commandNodes(node)
                    spec.command = self.words(node, "command")
                },
                "script": { node in
                    seen.insert("script")
                    spec.script = self.read.string(node, "script")
                },
                "workdir": { spec.workdir = self.absolute($0, "workdir") },
                "user": { spec.user = self.read.string($0, "user") },
                "hostname": { spec.hostname = self.hostname($0) },
                "init": { spec.`init` = self.read.bool($0, "init") ?? false },
                "read_only": { spec.readOnlyRoot = self.read.bool($0, "read_only") ?? false },
                "mounts": { spec.mounts = self.mounts($0) },
                "env": { spec.env = self.environment($0) },
                "secrets": { spec.secrets = self.secrets($0) },
                "sweep": { node in
                    let reader = SweepReader(self)
                    sweep = (reader.sweep(node), reader)
                },
                "resources": { spec.resources = self.resources($0) },
                "limits": { spec.limits = self.limits($0) },
                "retry": { spec.retry = self.retry($0) },
                "stop": { spec.stop = self.stop($0) },
                "collect": { spec.collect = self.read.strings($0, "collect") },
                "metrics": { spec.metrics = self.metrics($0) },
                "after": { spec.after = self.after($0) },
                "notify": { spec.notify = self.notify($0) },
            ])
        if spec.image.isEmpty, !seen.contains("image") {
            diagnostics.add(
                tree.place, "an image is missing",
                hint:
                    "image: python:3.12-slim, a directory, or `host` for this machine's own root; or --image"
            )
        }
        if seen.contains("command"), seen.contains("script") {
            diagnostics.add(tree.place, "a spec has either a command or a script, not both")
        }
        if spec.image == "host", spec.command.isEmpty, spec.script == nil {
            diagnostics.add(
                tree.place, "a command is missing",
                hint:
                    "command: [python3, train.py], script: |, or `-- python3 train.py` on the command line"
            )
        }
        if let (rule, reader) = sweep {
            spec.sweep = rule
            reader.check(rule)
        }
        checkPlaceholders(commandNodes, spec.sweep)
        if spec.name.isEmpty { spec.name = defaultName ?? Self.name(of: spec) }
        return spec
    }

    private static func name(of spec: JobSpec) -> String {
        let word = spec.command.first ?? spec.image
        return word.split(separator: "/").last.map(String.init)?.split(separator: ":").first.map(
            String.init) ?? "job"
    }

    // MARK: What is run

    private func image(_ node: SpecNode) -> String {
        guard let text = read.string(node, "image") else { return "" }
        if text.isEmpty { read.fail(node, "the image is empty") }
        // Only what begins like a path is one: `python` is an image, `./python` a directory.
        guard
            text.hasPrefix("/") || text.hasPrefix("./") || text.hasPrefix("../")
                || text.hasPrefix("~/") || text == "."
        else { return text }
        return path(text, node.place)
    }

    /// A list of words, or one line split at blanks as a shell would, quotes respected.
    private func words(_ node: SpecNode, _ what: String) -> [String] {
        if case .sequence = node.content { return read.strings(node, what) }
        guard let line = read.string(node, what) else { return [] }
        guard let words = ShellWords.split(line) else {
            read.fail(node, "a quote in \(what) does not end")
            return []
        }
        return words
    }

    private func commandNodes(_ node: SpecNode) -> [SpecNode] { read.items(node) }

    private func checkPlaceholders(_ nodes: [SpecNode], _ sweep: ParameterSweep) {
        let known = SweepReader.names(of: sweep) + Placeholders.builtIn
        for node in nodes {
            guard case .scalar(let text, let quoted) = node.content else { continue }
            for case .name(let name, let offset) in Placeholders.pieces(of: text)
            where !known.contains(name) {
                diagnostics.add(
                    node.place.advanced(by: offset + (quoted ? 1 : 0)),
                    "no parameter is called '\(name)'",
                    hint: Diagnostics.suggestion(name, known)
                        ?? (known.count > 2
                            ? "the sweep has \(known.dropLast(2).joined(separator: ", ")); "
                            : "there is no sweep; ")
                        + "write {{\(name)}} for the text itself")
            }
        }
    }

    private func hostname(_ node: SpecNode) -> String? {
        guard let name = read.string(node, "hostname") else { return nil }
        // hostname(7): 64 characters is the kernel's limit.
        guard !name.isEmpty, name.utf8.count <= 64,
            name.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || "-.".contains($0)) })
        else {
            read.fail(
                node, "'\(name)' is not a host name",
                hint: "letters, digits, dots and hyphens, at most 64")
            return nil
        }
        return name
    }

    // MARK: Paths

    func absolute(_ node: SpecNode, _ what: String) -> String? {
        guard let text = read.string(node, what) else { return nil }
        guard text.hasPrefix("/") else {
            read.fail(node, "\(what) must be an absolute path in the container, not '\(text)'")
            return nil
        }
        return text
    }

    /// A path of the submitting machine: relative to the file it stands in, or to where the flag was typed.
    func path(_ text: String, _ place: Place) -> String {
        if text == "~" { return home }
        if text.hasPrefix("~/") { return home + text.dropFirst() }
        if text.hasPrefix("/") { return Self.normalised(text) }
        let base = if case .flag = place { workingDirectory } else { directory }
        return Self.normalised(base + "/" + text)
    }

    /// Without `.`, and `..` taken as text.
    private static func normalised(_ path: String) -> String {
        var parts: [Substring] = []
        for part in path.split(separator: "/") where part != "." {
            if part == "..", !parts.isEmpty {
                parts.removeLast()
            } else if part != ".." {
                parts.append(part)
            }
        }
        return "/" + parts.joined(separator: "/")
    }
}

/// Words of a command line, sh(1) quoting without expansion.
enum ShellWords {
    /// Nil where a quote does not end.
    static func split(_ line: String) -> [String]? {
        var words: [String] = []
        var word: String?
        var quote: Character?
        var escaped = false
        for character in line {
            if escaped {
                word = (word ?? "") + String(character)
                escaped = false
            } else if character == "\\", quote != "'" {
                escaped = true
            } else if let open = quote {
                if character == open {
                    quote = nil
                } else {
                    word = (word ?? "") + String(character)
                }
            } else if character == "'" || character == "\"" {
                quote = character
                word = word ?? ""
            } else if character.isWhitespace {
                if let done = word { words.append(done) }
                word = nil
            } else {
                word = (word ?? "") + String(character)
            }
        }
        if let done = word { words.append(done) }
        return quote == nil ? words : nil
    }
}

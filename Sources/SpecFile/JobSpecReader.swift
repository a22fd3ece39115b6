internal import JobModel
internal import OCISpec

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
        var expanded: [SpecNode] = []
        var scriptNode: SpecNode?
        var (networkNode, portsNode): (SpecNode?, SpecNode?)
        var (seccompNode, privilegedNode): (SpecNode?, SpecNode?)
        var (stopNode, searchNode): (SpecNode?, SpecNode?)
        var seen: Set<String> = []
        var sweep: (ParameterSweep, SweepReader)?
        read.mapping(
            tree, "a spec",
            [
                "name": { spec.name = self.name($0) ?? "" },
                "image": { node in
                    seen.insert("image")
                    spec.image = self.image(node)
                },
                "entrypoint": { node in
                    expanded += self.read.items(node)
                    spec.entrypoint = self.words(node, "entrypoint")
                },
                "command": { node in
                    seen.insert("command")
                    expanded += self.read.items(node)
                    spec.command = self.words(node, "command")
                },
                "script": { node in
                    seen.insert("script")
                    scriptNode = node
                    spec.script = self.read.string(node, "script")
                },
                "workdir": { spec.workdir = self.workdir($0) },
                "user": { spec.user = self.read.string($0, "user") },
                "hostname": { spec.hostname = self.hostname($0) },
                "network": { networkNode = $0 },
                "ports": { portsNode = $0 },
                "init": { spec.`init` = self.read.bool($0, "init") ?? false },
                "seccomp": { seccompNode = $0 },
                "privileged": { privilegedNode = $0 },
                "read_only": { spec.readOnlyRoot = self.read.bool($0, "read_only") ?? false },
                "mounts": { spec.mounts = self.mounts($0) },
                "env": { node in
                    expanded += self.read.pairs(node, "env").map(\.value)
                    spec.env = self.environment(node)
                },
                "secrets": { spec.secrets = self.secrets($0) },
                "sweep": { node in
                    let reader = SweepReader(self)
                    sweep = (reader.sweep(node), reader)
                },
                "resources": { spec.resources = self.resources($0) },
                "priority": { spec.priority = self.priority($0) },
                "start": { spec.start = self.start($0) },
                "repeat": { spec.repetition = self.repetition($0) },
                "group": { spec.group = self.group($0) },
                "limits": { spec.limits = self.limits($0) },
                "retry": { spec.retry = self.retry($0) },
                "stop": { node in
                    stopNode = node
                    spec.stop = self.stop(node)
                },
                "collect": { spec.collect = self.read.strings($0, "collect") },
                "metrics": { spec.metrics = self.metrics($0) },
                "search": { searchNode = $0 },
                "after": { spec.after = self.after($0) },
                "notify": { spec.notify = self.notify($0) },
            ])
        spec.network = network(networkNode, portsNode)
        checkNodes(spec, networkNode ?? portsNode)
        if let searchNode {
            spec.search = search(searchNode, spec.metrics)
            // pid_namespaces(7): a PID 1 without a handler never sees SIGTERM, and would run on for its grace.
            if tree.value(of: "init") == nil { spec.`init` = true }
        }
        if let stopNode { checkWarning(spec, stopNode) }
        spec.confinement = confinement(seccompNode, privilegedNode)
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
            reader.checkSampler(rule, spec.metrics)
        } else if let empty = tree.value(of: "sweep") {
            read.fail(
                empty, "the sweep is empty", hint: "grid: {lr: [0.1, 0.01]}, or leave the sweep out"
            )
        }
        let names = (sweep?.1.everyName(of: spec.sweep) ?? []) + Placeholders.builtIn
        for node in expanded { checkPlaceholders(node, names) }
        if let scriptNode { checkScript(scriptNode, names) }
        if spec.name.isEmpty { spec.name = Self.name(of: spec, defaultName) }
        return spec
    }

    // MARK: Name

    private func name(_ node: SpecNode) -> String? {
        guard let name = read.string(node, "name"), !name.isEmpty else { return nil }
        guard Selector.isName(name) else {
            read.fail(
                node, "'\(name)' reads as a job's number or tasks, and could never be selected",
                hint: "begin it with a letter: job-\(name)")
            return nil
        }
        return name
    }

    private static func name(of spec: JobSpec, _ given: String?) -> String {
        let word = spec.command.first ?? spec.image
        let name =
            given ?? word.split(separator: "/").last?.split(separator: ":").first.map(String.init)
            ?? "job"
        return Selector.isName(name) ? name : "job-" + name
    }

    // MARK: What is run

    private func image(_ node: SpecNode) -> String {
        guard let text = read.string(node, "image") else { return "" }
        if text.isEmpty { read.fail(node, "the image is empty") }
        // Only what begins like a path is one: `python` is an image, `./python` a directory.
        guard
            text.hasPrefix("/") || text.hasPrefix("./") || text.hasPrefix("../")
                || text.hasPrefix("~/") || text == "."
        else {
            if text != "host", !text.isEmpty { checkReference(text, node) }
            return text
        }
        return path(text, node.place)
    }

    private func checkReference(_ text: String, _ node: SpecNode) {
        do throws(ReferenceError) { _ = try ImageReference(text) } catch {
            read.fail(node, "image reference '\(text)': \(error.reason)", hint: error.hint)
        }
    }

    /// A list of words, or one line split at blanks as a shell would, quotes respected.
    func words(_ node: SpecNode, _ what: String) -> [String] {
        if case .sequence = node.content { return read.strings(node, what) }
        guard let line = read.string(node, what) else { return [] }
        guard let words = ShellWords.split(line) else {
            read.fail(node, "a quote in \(what) does not end")
            return []
        }
        return words
    }

    private func checkPlaceholders(_ node: SpecNode, _ known: [String]) {
        for case .name(let name, let offset) in Placeholders.pieces(of: node.scalar ?? "")
        where !known.contains(name) {
            diagnostics.add(
                node.place(of: offset), "no parameter is called '\(name)'",
                hint: Diagnostics.suggestion(name, known)
                    ?? (known.count > 2
                        ? "the sweep has \(known.dropLast(2).joined(separator: ", ")); "
                        : "there is no sweep; ")
                    + "write {{\(name)}} for the text itself")
        }
    }

    /// In a script a name in braces may be anything; only what is nearly a parameter is taken for a slip.
    private func checkScript(_ node: SpecNode, _ known: [String]) {
        for case .name(let name, let offset) in Placeholders.pieces(of: node.scalar ?? "")
        where !known.contains(name) {
            guard let suggestion = Diagnostics.suggestion(name, known) else { continue }
            diagnostics.add(
                node.place(of: offset), "no parameter is called '\(name)'",
                hint: suggestion
                    + " Blanks inside the braces, { \(name) }, leave them to the script")
        }
    }

    private func workdir(_ node: SpecNode) -> String? {
        for case .name(let name, let offset) in Placeholders.pieces(of: node.scalar ?? "") {
            diagnostics.add(
                node.place(of: offset), "workdir takes no placeholders, and names {\(name)}",
                hint: "it is one directory for all tasks; a task can cd to another")
        }
        return absolute(node, "workdir")
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

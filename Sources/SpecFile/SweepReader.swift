internal import JobModel

/// The `sweep` section: axes, samples, rows, filters.
final class SweepReader {
    private let job: JobSpecReader
    private var read: NodeReader { job.read }
    private var placed: [String: Place] = [:]
    private var includes: [(Point, SpecNode)] = []
    private var excludes: [(Point, SpecNode)] = []
    private var condition: (text: String, node: SpecNode)?
    private var samplerNode: SpecNode?

    init(_ job: JobSpecReader) { self.job = job }

    static func names(of sweep: ParameterSweep) -> [String] {
        let base =
            sweep.grid.map(\.name) + sweep.zip.map(\.name) + (sweep.sample?.space.map(\.name) ?? [])
            + (sweep.from?.names ?? [])
        return base.isEmpty ? sweep.include.first?.parameters.map(\.name) ?? [] : base
    }

    /// With those whose values were wrong: they are told once.
    func everyName(of sweep: ParameterSweep) -> [String] {
        let right = Self.names(of: sweep)
        return right + placed.keys.filter { !right.contains($0) }.sorted()
    }

    func sweep(_ node: SpecNode) -> ParameterSweep {
        var sweep = ParameterSweep()
        let mistakesBefore = job.diagnostics.count
        read.mapping(
            node, "a sweep",
            [
                "grid": { sweep.grid = self.axes($0, "grid") },
                "zip": { sweep.zip = self.zip($0) },
                "sample": { sweep.sample = self.sample($0) },
                "from": { sweep.from = self.table($0) },
                "exclude": { self.excludes = self.points($0, "exclude") },
                "include": { self.includes = self.points($0, "include") },
                "where": { node in
                    if let text = self.read.string(node, "where") { self.condition = (text, node) }
                },
            ])
        sweep.exclude = excludes.map(\.0)
        sweep.include = includes.map(\.0)
        sweep.condition = condition?.text
        // A section that is wrong is told once, and not also as missing.
        if sweep.isEmpty, job.diagnostics.count == mistakesBefore {
            read.fail(
                node, "the sweep is empty", hint: "grid: {lr: [0.1, 0.01]}, or leave the sweep out")
        }
        return sweep
    }

    /// What can be judged only with all sections read.
    func check(_ sweep: ParameterSweep) {
        let known = Self.names(of: sweep)
        for (point, node) in excludes { unknownNames(point, node, known, "exclude") }
        for (point, node) in includes {
            unknownNames(point, node, known, "include")
            let missing = known.filter { point[$0] == nil }
            if !missing.isEmpty {
                read.fail(
                    node, "this point lacks \(missing.joined(separator: ", "))",
                    hint: "an included point names every parameter")
            }
        }
        guard job.diagnostics.isEmpty else { return }
        if let condition, !checkCondition(condition.text, condition.node, known) { return }
        // The parts are right: what is left to fail is that no point is left.
        do throws(SweepError) { _ = try SweepExpansion(sweep) } catch {
            job.diagnostics.add(
                condition?.node.place ?? excludes.first?.1.place ?? .file(line: 1, column: 1),
                "\(error)")
        }
    }

    private func unknownNames(_ point: Point, _ node: SpecNode, _ known: [String], _ what: String) {
        guard case .mapping(let pairs) = node.content else { return }
        for (key, _) in pairs where !known.contains(key.scalar ?? "") {
            read.fail(
                key, "\(what) names '\(key.scalar ?? "")', which the sweep does not have",
                hint: Diagnostics.suggestion(key.scalar ?? "", known))
        }
    }

    private func checkCondition(_ text: String, _ node: SpecNode, _ known: [String]) -> Bool {
        do throws(SweepExpression.Malformed) {
            let unknown = try SweepExpression(text).names.filter { !known.contains($0.name) }
            for (name, offset) in unknown {
                let hyphened = known.first { $0.hasPrefix(name + "-") }
                job.diagnostics.add(
                    node.place(of: offset), "no parameter is called '\(name)'",
                    hint: hyphened.map {
                        "- is minus here, so that a condition cannot name '\($0)'; call it "
                            + $0.map { $0 == "-" ? "_" : "\($0)" }.joined()
                    }
                        ?? Diagnostics.suggestion(name, known)
                        ?? "the sweep has \(known.joined(separator: ", "))")
            }
            return unknown.isEmpty
        } catch {
            job.diagnostics.add(node.place(of: error.offset), error.message)
            return false
        }
    }

    // MARK: Names

    /// A parameter's name, unless it is taken or cannot be one.
    private func name(_ node: SpecNode) -> String? {
        let name = node.scalar ?? ""
        guard Placeholders.isName(name) else {
            read.fail(
                node, "'\(name)' cannot be a parameter's name",
                hint: "a letter, then letters, digits, _, - and .")
            return nil
        }
        if Placeholders.builtIn.contains(name) {
            read.fail(
                node, "'\(name)' stands for the task's own \(name)", hint: "choose another name")
            return nil
        }
        if let before = placed[name] {
            read.fail(
                node,
                "the parameter '\(name)' is given twice; first at \(before.text(job.diagnostics.path))"
            )
            return nil
        }
        placed[name] = node.place
        return name
    }

    // MARK: Sections

    private func axes(_ node: SpecNode, _ what: String) -> [ParameterSweep.Axis] {
        read.pairs(node, what).compactMap { key, value in
            guard let name = name(key), let values = values(value, name) else { return nil }
            return ParameterSweep.Axis(name: name, values: values)
        }
    }

    private func values(_ node: SpecNode, _ name: String) -> AxisValues? {
        if let text = node.scalar, AxisText.isRule(text) { return rule(node) }
        if node.isNull || node.isEmptySequence {
            read.fail(node, "\(name) has no values", hint: "\(name): [0.1, 0.01] or \(name): 1..5")
            return nil
        }
        return .list(list(read.items(node), "a value of \(name)"))
    }

    private func list(_ items: [SpecNode], _ what: String) -> [ParameterValue] {
        var values: [ParameterValue] = []
        for item in items {
            guard item.isRule else {
                if let value = read.parameter(item, what) { values.append(value) }
                continue
            }
            guard let rule = rule(item) else { continue }
            guard values.count + rule.count <= Self.longestList else {
                read.fail(
                    item,
                    "a list has at most \(Self.longestList) values; a range alone may be longer")
                break
            }
            values += (0..<rule.count).map { rule[$0] }
        }
        return values
    }

    /// A range alone is a rule, whatever its length; in a list it is written out.
    private static let longestList = 1_000_000

    private func rule(_ node: SpecNode) -> AxisValues? {
        do throws(SweepError) { return try AxisText.parse(node.scalar ?? "") } catch {
            read.fail(node, "\(error)")
            return nil
        }
    }

    private func zip(_ node: SpecNode) -> [ParameterSweep.Axis] {
        let axes = axes(node, "zip")
        guard let first = axes.first else { return axes }
        for axis in axes.dropFirst() where axis.values.count != first.values.count {
            let place = read.pairs(node, "zip").first { $0.key.scalar == axis.name }?.value ?? node
            read.fail(
                place,
                "zip needs lists of one length: \(first.name) has \(first.values.count) values, \(axis.name) has \(axis.values.count)"
            )
        }
        return axes
    }

    private func sample(_ node: SpecNode) -> SampleSection? {
        var section = SampleSection(method: .random, count: 0, seed: 0, space: [])
        read.mapping(
            node, "sample",
            [
                "method": {
                    section.method =
                        self.read.choice($0, "method", SampleSection.Method.self) ?? .random
                },
                "count": {
                    section.count =
                        self.read.integer($0, "count", in: 1...1_000_000_000).map { Int($0) } ?? 0
                },
                "seed": {
                    section.seed =
                        self.read.integer($0, "seed", in: 0...Int64.max).map { UInt64($0) } ?? 0
                },
                "space": { section.space = self.space($0) },
                "command": { _ in }, "parallel": { _ in },
            ])
        samplerNode = node
        section.sampler = sampler(node, section.method)
        guard job.diagnostics.isEmpty else { return section }
        if section.count == 0 { read.fail(node, "sample needs a count", hint: "count: 32") }
        if section.space.isEmpty {
            read.fail(node, "sample needs a space", hint: "space: {lr: \"loguniform(1e-5, 1e-1)\"}")
        }
        if section.method == .sobol, section.space.count > SampleSection.largestSobolSpace {
            read.fail(
                node, "sobol has at most \(SampleSection.largestSobolSpace) dimensions",
                hint: "method: lhs has no such limit")
        }
        return section
    }

    private func sampler(_ node: SpecNode, _ method: SampleSection.Method) -> ExternalSampler? {
        guard method == .external else {
            for name in ["command", "parallel"] {
                guard let extra = node.value(of: name) else { continue }
                read.fail(extra, "\(name) is of method: external, and this is \(method.rawValue)")
            }
            return nil
        }
        let command = node.value(of: "command").map { job.words($0, "command") } ?? []
        guard !command.isEmpty else {
            read.fail(
                node, "method: external needs a command",
                hint: "command: [python3, -m, martlet_optuna]")
            return nil
        }
        let parallel = node.value(of: "parallel").flatMap {
            read.integer($0, "parallel", in: 1...100_000)
        }
        return ExternalSampler(
            command: command, directory: job.path(".", node.place),
            parallel: parallel.map { Int($0) })
    }

    /// What a sampler's points can be combined with: with nothing, and told by a metric.
    func checkSampler(_ sweep: ParameterSweep, _ metrics: [MetricGoal]) {
        guard sweep.sample?.sampler != nil, let node = samplerNode else { return }
        var alone = ParameterSweep()
        alone.sample = sweep.sample
        if sweep != alone {
            read.fail(
                node, "a sample of method external stands alone in its sweep",
                hint: "its points come one by one: there is nothing to multiply or to filter")
        }
        if metrics.isEmpty {
            read.fail(
                node, "a sampler is told how good a point was, and the spec names no metric",
                hint: "metrics: {val_loss: min}")
        }
    }

    private func space(_ node: SpecNode) -> [SampleSection.Dimension] {
        read.pairs(node, "space").compactMap { key, value in
            guard let name = name(key), let distribution = distribution(value) else { return nil }
            return SampleSection.Dimension(name: name, distribution: distribution)
        }
    }

    private static let distributions = ["uniform", "loguniform", "int", "normal", "choice"]

    private func distribution(_ node: SpecNode) -> SampleSection.Distribution? {
        if case .sequence(let items) = node.content, !items.isEmpty {
            return .choice(list(items, "a choice"), weights: [])
        }
        guard let call = node.scalar.flatMap({ Call($0.trimmed) }) else {
            let text = node.scalar ?? "this"
            // YAML has split at a comma what it does not know as a call.
            let isCut = text.contains("(") && !text.contains(")")
            read.fail(
                node, "'\(text)' is no distribution",
                hint: isCut
                    ? Diagnostics.suggestion(
                        String(text.prefix { $0 != "(" }).trimmed, Self.distributions)
                        ?? "quote all of it: YAML splits at commas inside { }"
                    : "uniform(0, 1), loguniform(1e-5, 1e-1), int(1, 8), normal(0, 1), choice(a, b) or choice(a: 3, b: 1)"
            )
            return nil
        }
        let numbers = call.arguments.compactMap(ScalarText.number)
        let two = numbers.count == 2 && call.arguments.count == 2
        func wrong(_ message: String) -> SampleSection.Distribution? {
            read.fail(node, message)
            return nil
        }
        switch call.name {
        case "uniform":
            return two && numbers[0] < numbers[1] && (numbers[1] - numbers[0]).isFinite
                ? .uniform(numbers[0], numbers[1])
                : wrong("uniform(low, high) takes two rising numbers")
        case "loguniform":
            return two && numbers[0] > 0 && numbers[0] < numbers[1]
                ? .loguniform(numbers[0], numbers[1])
                : wrong("loguniform(low, high) takes two rising numbers above 0")
        case "normal":
            // Nobody draws a value eight deviations away.
            return two && numbers[1] > 0 && (abs(numbers[0]) + 8 * numbers[1]).isFinite
                ? .normal(numbers[0], numbers[1])
                : wrong("normal(mean, deviation) takes two numbers, the second above 0")
        case "int":
            guard let low = call.arguments.first.flatMap({ Int64($0) }),
                let high = call.arguments.last.flatMap({ Int64($0) }), two, low <= high
            else {
                return wrong("int(low, high) takes two rising whole numbers")
            }
            let (span, overflow) = high.subtractingReportingOverflow(low)
            guard !overflow, span < SampleSection.Distribution.widestInt
            else { return wrong("int(low, high) spans at most 2^53 numbers") }
            return .int(low, high)
        case "choice":
            return choice(call.arguments)
                ?? wrong("choice(a, b) takes values, or values with weights: choice(a: 3, b: 1)")
        default:
            read.fail(
                node, "'\(call.name)' is no distribution",
                hint: Diagnostics.suggestion(call.name, Self.distributions))
            return nil
        }
    }

    private func choice(_ arguments: [String]) -> SampleSection.Distribution? {
        var values: [ParameterValue] = []
        var weights: [Double] = []
        for argument in arguments {
            var text = argument
            // `adam: 3` and `adam:3`; quotes hold `'a:3'` together.
            if let colon = argument.lastIndex(of: ":"),
                let weight = ScalarText.number(
                    String(argument[argument.index(after: colon)...]).trimmed)
            {
                guard weight >= 0 else { return nil }
                weights.append(weight)
                text = String(argument[..<colon]).trimmed
            }
            guard !text.isEmpty else { return nil }
            let quoted =
                text.count >= 2 && "'\"".contains(text.first ?? " ") && text.first == text.last
            values.append(
                ScalarText.value(
                    quoted ? String(text.dropFirst().dropLast()) : text, quoted: quoted))
        }
        let sum = weights.reduce(0, +)
        guard weights.isEmpty || (weights.count == values.count && sum > 0 && sum.isFinite)
        else { return nil }
        return .choice(values, weights: weights)
    }

    private func points(_ node: SpecNode, _ what: String) -> [(Point, SpecNode)] {
        read.items(node).map { item in
            let parameters = read.pairs(item, "an item of \(what)").compactMap { key, value in
                read.parameter(value, key.scalar ?? "a value").map {
                    Point.Parameter(name: key.scalar ?? "", value: $0)
                }
            }
            return (Point(parameters), item)
        }
    }

    private func table(_ node: SpecNode) -> ParameterSweep.Table? {
        guard let text = read.string(node, "from") else { return nil }
        do throws(SweepError) {
            let table = try PointsFile.read(job.path(text, node.place))
            for column in table.names {
                _ = name(SpecNode(.scalar(column, quoted: true), node.place))
            }
            return table
        } catch {
            read.fail(node, "\(error)")
            return nil
        }
    }
}

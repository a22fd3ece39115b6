public import JobModel

/// A job's text, as people write it, into a `JobSpec`, with every mistake told where it stands.
///
/// Owns YAML and JSON, flags laid over them, units and suggestions; the only importer of Yams. Opens no file but the rows
/// that a sweep's `from` names, and a seccomp profile. Start here, then `JobSpecReader.swift`.
public enum SpecFile {
    /// Reads a spec.
    /// - Parameters:
    ///   - text: YAML or JSON; nil where everything comes from flags.
    ///   - path: what diagnostics call the text.
    ///   - overrides: flags, laid over the text in order.
    ///   - directory: absolute; relative paths of the text are taken from here.
    ///   - workingDirectory: absolute; relative paths of flags are taken from here.
    ///   - home: what `~` stands for.
    /// - Throws: every diagnostic of the text at once.
    public static func parse(
        text: String?, path: String, overrides: [SpecOverride] = [], directory: String,
        workingDirectory: String, home: String
    ) throws(SpecError) -> JobSpec {
        let diagnostics = Diagnostics(path: path)
        var tree = SpecNode(.mapping([]), .flag("command line"))
        if let text {
            tree = try SpecNode.parse(text.withoutByteOrderMark, path: path)
        }
        for override in overrides { try tree.lay(override) }
        tree.preferFlag(between: "command", "script")
        let reader = JobSpecReader(
            diagnostics: diagnostics, directory: directory, workingDirectory: workingDirectory,
            home: home)
        let name = path.split(separator: "/").last.map(String.init)?.split(separator: ".").first
            .map(String.init)
        let spec = reader.read(tree, defaultName: text == nil ? nil : name)
        guard diagnostics.isEmpty, let spec else {
            throw SpecError(diagnostics: diagnostics.list)
        }
        return spec
    }
}

/// A flag in terms of the spec: `--cpus 2` is `resources.cpus`.
public struct SpecOverride: Sendable, Hashable {
    public enum Form: Sendable {
        /// The text itself, as a plain scalar.
        case text
        /// A fragment of YAML.
        case yaml
        /// An axis: a range, a function, or values between commas.
        case values
    }
    public enum Mode: Sendable {
        case set
        /// Adds to a list.
        case append
    }
    public var keyPath: [String]
    public var value: String
    /// The flag as typed, for diagnostics: `--cpus`.
    public var origin: String
    public var form: Form
    public var mode: Mode
    public init(
        _ keyPath: [String], _ value: String, origin: String, form: Form = .text, mode: Mode = .set
    ) {
        self.keyPath = keyPath
        self.value = value
        self.origin = origin
        self.form = form
        self.mode = mode
    }
}

/// One mistake: where, what, and what to do.
public struct Diagnostic: Sendable, Hashable, CustomStringConvertible {
    /// `sweep.yaml:12:7` or `--cpus`.
    public let place: String
    public let message: String
    public let hint: String?

    public var description: String { "\(place): \(message)" + (hint.map { "\n    \($0)" } ?? "") }
}

/// All mistakes of one spec, in the order in which they stand.
public struct SpecError: Error, Sendable, CustomStringConvertible {
    public let diagnostics: [Diagnostic]
    public var description: String { diagnostics.map(\.description).joined(separator: "\n") }
}

/// Collects while a spec is read.
final class Diagnostics {
    let path: String
    private var placed: [(place: Place, diagnostic: Diagnostic)] = []

    init(path: String) { self.path = path }

    /// In the order of the file, and then of the flags.
    var list: [Diagnostic] {
        // A stable order: the standard library does not promise one.
        placed.enumerated().sorted {
            ($0.element.place.order, $0.offset) < ($1.element.place.order, $1.offset)
        }.map(\.element.diagnostic)
    }

    var isEmpty: Bool { placed.isEmpty }
    var count: Int { placed.count }

    func add(_ place: Place, _ message: String, hint: String? = nil) {
        placed.append(
            (place, Diagnostic(place: place.text(path), message: message, hint: hint)))
    }

    /// "did you mean …?" for a word that is close to a known one.
    static func suggestion(_ word: String, _ known: [String]) -> String? {
        let best = known.map { ($0, distance(word.lowercased(), $0.lowercased())) }.min {
            $0.1 < $1.1
        }
        // Of short words half may not differ: `x` is not a slip of `d`.
        guard let (name, distance) = best, distance <= max(1, name.count / 3),
            2 * distance < max(name.count, word.count)
        else { return nil }
        return "did you mean '\(name)'?"
    }

    /// Levenshtein's.
    private static func distance(_ a: String, _ b: String) -> Int {
        let target = Array(b)
        var row = Array(0...target.count)
        for (i, x) in a.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, y) in target.enumerated() {
                (diagonal, row[j + 1]) = (
                    row[j + 1], min(row[j + 1] + 1, row[j] + 1, diagonal + (x == y ? 0 : 1))
                )
            }
        }
        return row[target.count]
    }
}

/// Where a value was written.
enum Place: Sendable, Hashable {
    /// Both from 1.
    case file(line: Int, column: Int)
    case flag(String)

    var isFlag: Bool { if case .flag = self { true } else { false } }

    /// Lines and columns as one number; flags come last.
    var order: Int {
        if case .file(let line, let column) = self { line << 32 + column } else { .max }
    }

    func text(_ path: String) -> String {
        switch self {
        case .file(let line, let column): "\(path):\(line):\(column)"
        case .flag(let name): name
        }
    }

    func advanced(by columns: Int) -> Place {
        if case .file(let line, let column) = self {
            .file(line: line, column: column + columns)
        } else {
            self
        }
    }
}

/// Options as callers of runc and crun write them: `--name value`, `--name=value`, `-n value`, `-ab`; `--` ends them.
/// Hand-written: the program starts for every container, and cannot wait for a parser that asks each type what it is.
struct Arguments {
    /// What a verb takes.
    struct Grammar {
        /// Options without a value, by their long names.
        var flags: Set<String> = []
        /// Options with one.
        var values: Set<String> = []
        /// One letter → long name.
        var letters: [Character: String] = [:]
        /// The first word that is no option ends them: what follows is another program's.
        var stopsAtWord = false
        /// Words that stand for what is no option, for the usage.
        var words = ""
    }

    /// In the order in which they were given.
    private var given: [String: [String]] = [:]
    private(set) var words: [String] = []
    /// What was not read, from the word on that ended the options.
    private(set) var rest: [String] = []

    init(_ text: some Collection<String>, _ grammar: Grammar) throws(Usage) {
        var left = Array(text)[...]
        while let word = left.popFirst() {
            if word == "--" {
                words += left
                return
            }
            if word.hasPrefix("--") {
                try readLong(word.dropFirst(2), grammar, &left)
            } else if word.hasPrefix("-"), word.utf8.count > 1 {
                try readLetters(word.dropFirst(), grammar, &left)
            } else if grammar.stopsAtWord {
                rest = [word] + left
                return
            } else {
                words.append(word)
            }
        }
    }

    private mutating func readLong(
        _ text: Substring, _ grammar: Grammar, _ left: inout ArraySlice<String>
    ) throws(Usage) {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let (name, value) = (String(parts[0]), parts.count == 2 ? String(parts[1]) : nil)
        if grammar.flags.contains(name) {
            guard value ?? "true" == "true" || value == "false" else {
                throw Usage("--\(name) takes no value")
            }
            given[name] = value == "false" ? nil : [""]
        } else if grammar.values.contains(name) {
            guard let value = value ?? left.popFirst() else {
                throw Usage("--\(name) needs a value")
            }
            given[name, default: []].append(value)
        } else {
            throw Usage("--\(name) is unknown")
        }
    }

    private mutating func readLetters(
        _ text: Substring, _ grammar: Grammar, _ left: inout ArraySlice<String>
    ) throws(Usage) {
        var letters = text
        while let letter = letters.popFirst() {
            guard let name = grammar.letters[letter] else { throw Usage("-\(letter) is unknown") }
            if grammar.flags.contains(name) {
                given[name] = [""]
                continue
            }
            if letters.first == "=" { letters.removeFirst() }
            let attached = letters.isEmpty ? nil : String(letters)
            guard let value = attached ?? left.popFirst() else {
                throw Usage("-\(letter) needs a value")
            }
            given[name, default: []].append(value)
            return
        }
    }

    func has(_ name: String) -> Bool { given[name] != nil }
    /// The last one wins.
    subscript(_ name: String) -> String? { given[name]?.last }
    func all(_ name: String) -> [String] { given[name] ?? [] }

    func number<T: FixedWidthInteger>(_ name: String) throws(Usage) -> T? {
        guard let text = self[name] else { return nil }
        guard let number = T(text) else { throw Usage("--\(name): \(text) is no number for it") }
        return number
    }

    /// Exactly one word: a container's id.
    func id() throws(Usage) -> String {
        guard words.count == 1 else {
            throw Usage(
                words.isEmpty ? "the container's id is missing" : "too many words: \(words)")
        }
        return words[0]
    }
}

/// A command line that says nothing.
struct Usage: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

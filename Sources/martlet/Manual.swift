import ArgumentParser
import Foundation
import LinuxSystem
import TerminalUI

/// Writes the manual: a page for every verb, made of what `--help` knows.
struct Manual: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "manual", abstract: "Write a manual page for every verb.",
        shouldDisplay: false)

    @Argument(
        help: "Directory of section 1, such as ~/.local/share/man/man1.", completion: .directory)
    var directory: String

    func run() throws {
        let tree = try JSONDecoder().decode(CommandTree.self, from: Data(Martlet._dumpHelp().utf8))
        try Files.makeDirectories(directory, mode: 0o755)
        try write(tree.command, path: [tree.command.commandName], parent: nil)
    }

    private func write(_ verb: CommandTree.Verb, path: [String], parent: [String]?) throws {
        let page = ManualPage(verb: verb, path: path, parent: parent)
        try Files.writeAtomically(
            "\(directory)/\(path.joined(separator: "-")).1", Array(page.text.utf8), durable: false)
        for child in verb.children {
            try write(child, path: path + [child.commandName], parent: path)
        }
    }
}

/// The part of ArgumentParser's dump that a manual needs.
struct CommandTree: Decodable {
    struct Verb: Decodable {
        let commandName: String
        let abstract: String?
        let discussion: String?
        let shouldDisplay: Bool?
        let arguments: [Argument]?
        let subcommands: [Verb]?

        /// ArgumentParser's own `help` needs no page.
        var children: [Verb] {
            (subcommands ?? []).filter { $0.shouldDisplay != false && $0.commandName != "help" }
        }
        var shown: [Argument] { (arguments ?? []).filter { $0.shouldDisplay != false } }
    }
    struct Argument: Decodable {
        struct Name: Decodable {
            let kind: String
            let name: String
            var text: String { (kind == "long" ? "--" : "-") + name }
        }
        let kind: String
        let names: [Name]?
        let valueName: String?
        let abstract: String?
        let defaultValue: String?
        let isOptional: Bool?
        let isRepeating: Bool?
        let shouldDisplay: Bool?
        let parsingStrategy: String?
    }
    let command: Verb
}

/// One page in man(7).
struct ManualPage {
    let verb: CommandTree.Verb
    let path: [String]
    let parent: [String]?

    var text: String {
        let name = path.joined(separator: "-")
        var lines = [".TH \(Self.quoted(name.uppercased())) 1 \"\" \"Martlet\" \"Martlet\""]
        lines += [".SH NAME", "\(Self.escaped(name)) \\- \(Self.escaped(brief))"]
        lines += [".SH SYNOPSIS", ".B " + Self.escaped(path.joined(separator: " ")), synopsis]
        if let discussion = verb.discussion, !discussion.isEmpty {
            lines += [".SH DESCRIPTION", ".nf"] + Self.lines(discussion) + [".fi"]
        }
        lines += section("ARGUMENTS", verb.shown.filter { $0.kind == "positional" })
        lines += section("OPTIONS", verb.shown.filter { $0.kind != "positional" })
        if !verb.children.isEmpty {
            lines.append(".SH COMMANDS")
            for child in verb.children {
                lines += [
                    ".TP", ".B " + Self.escaped(child.commandName),
                    Self.escaped(child.abstract ?? ""),
                ]
            }
        }
        lines += [".SH EXIT STATUS", ".nf"] + Self.lines(Self.statuses) + [".fi"]
        let others = [parent].compactMap { $0 } + verb.children.map { path + [$0.commandName] }
        if !others.isEmpty {
            let pages = others.map { "\\fB\(Self.escaped($0.joined(separator: "-")))\\fR(1)" }
            lines += [".SH SEE ALSO", pages.joined(separator: ", ")]
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// A name's line ends without a full stop, lexgrog(1).
    private var brief: String {
        let text = verb.abstract ?? ""
        return text.hasSuffix(".") ? String(text.dropLast()) : text
    }

    private static let statuses = """
        0    success; of run and wait: all tasks succeeded
        1    some task failed
        2    a usage or spec error
        3    an infrastructure failure
        124  the deadline passed
        130  interrupted
        """

    private var synopsis: String {
        var words: [String] = []
        if verb.shown.contains(where: { $0.kind != "positional" }) { words.append("[options]") }
        for argument in verb.shown where argument.kind == "positional" {
            var word =
                "<\(argument.valueName ?? "value")>" + (argument.isRepeating == true ? " ..." : "")
            if argument.parsingStrategy == "postTerminator" { word = "-- " + word }
            words.append(argument.isOptional == true ? "[\(word)]" : word)
        }
        if !verb.children.isEmpty { words.append("<command>") }
        return Self.escaped(words.joined(separator: " "))
    }

    private func section(_ title: String, _ arguments: [CommandTree.Argument]) -> [String] {
        guard !arguments.isEmpty else { return [] }
        return [".SH " + title]
            + arguments.flatMap { argument -> [String] in
                let names = (argument.names ?? []).map(\.text).joined(separator: ", ")
                let value = "<\(argument.valueName ?? "value")>"
                let head =
                    switch argument.kind {
                    case "positional": value
                    case "flag": names
                    default: names + " " + value
                    }
                var text = argument.abstract ?? ""
                if let standard = argument.defaultValue, argument.kind != "flag" {
                    text += " Without it: \(standard)."
                }
                return [".TP", ".B " + Self.escaped(head), Self.escaped(text)]
            }
    }

    private static func lines(_ text: String) -> [String] {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            // A blank line is a request of its own.
            line.isEmpty ? ".sp" : escaped(String(line))
        }
    }

    /// groff_man_style(7): backslashes, hyphens that are typed, and what would begin a request.
    static func escaped(_ text: String) -> String {
        var escaped = ""
        for character in text {
            switch character {
            case "\\": escaped += "\\e"
            case "-": escaped += "\\-"
            case "'": escaped += "\\(aq"
            case "\n": escaped += " "
            default: escaped.append(character)
            }
        }
        return escaped.hasPrefix(".") ? "\\&" + escaped : escaped
    }

    private static func quoted(_ text: String) -> String { "\"" + escaped(text) + "\"" }
}

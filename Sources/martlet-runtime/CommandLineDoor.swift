import ContainerRuntime
import Glibc
import LinuxSystem
import OCIRuntimeSpec

/// The OCI runtime command line, by the conventions that runc and crun share.
enum CommandLineDoor {
    static var verbs: [any Verb.Type] {
        [
            Create.self, Start.self, State.self, Kill.self, Delete.self, Run.self, Exec.self,
            Ps.self, List.self, Pause.self, Resume.self, Update.self, Events.self, Spec.self,
            FeatureList.self,
        ]
    }

    static func run(_ words: [String]) -> Int32 {
        var log = RuntimeLog()
        do {
            let globals = try Globals(words)
            log = try RuntimeLog(globals)
            if globals.wantsVersion { return printVersion() }
            if globals.wantsHelp {
                print(usage)
                return 0
            }
            guard let name = globals.rest.first else {
                note(usage)
                return 1
            }
            guard let verb = verbs.first(where: { $0.name == name }) else {
                throw Usage("there is no verb \(name)")
            }
            return run(verb, Array(globals.rest.dropFirst()), globals, &log)
        } catch {
            log.error("\(error)")
            return 1
        }
    }

    private static func run(
        _ verb: any Verb.Type, _ words: [String], _ globals: Globals, _ log: inout RuntimeLog
    ) -> Int32 {
        do {
            if words == ["--help"] || words == ["-h"] {
                print(usage(of: verb))
                return 0
            }
            let arguments = try Arguments(words, verb.grammar)
            return try verb.run(arguments, globals, &log)
        } catch let error as Usage {
            log.error("\(verb.name): \(error)\n\(usage(of: verb))")
            return verb.failure
        } catch {
            log.error(text(of: error))
            return verb.failure
        }
    }

    /// The kernel's reasons as Go writes them, in small letters: from "no such file or directory" and "permission denied" docker
    /// makes its exit statuses 127 and 126.
    private static func text(of error: any Error) -> String {
        guard let error = error as? SystemError else { return "\(error)" }
        let reason = SystemError.text(error.errno)
        return "\(error)".replacing(reason, with: reason.lowercased())
    }

    private static func printVersion() -> Int32 {
        print("martlet-runtime version 0.1\nspec: \(OCIRuntimeSpec.version)")
        return 0
    }

    private static var usage: String {
        "usage: martlet-runtime \(options(of: Globals.grammar).joined(separator: " ")) VERB …\n"
            + verbs.map { "       martlet-runtime \(line(of: $0))" }.joined(separator: "\n")
            + "\n       martlet-runtime serve [--upper-on-disk] DIR"
    }

    private static func usage(of verb: any Verb.Type) -> String {
        "usage: martlet-runtime \(line(of: verb))"
    }

    private static func line(of verb: any Verb.Type) -> String {
        ([verb.name] + options(of: verb.grammar) + [verb.grammar.words]).joined(separator: " ")
    }

    private static func options(of grammar: Arguments.Grammar) -> [String] {
        var letters: [String: Character] = [:]
        for (letter, name) in grammar.letters { letters[name] = letter }
        func option(_ name: String) -> String {
            letters[name].map { "-\($0)|--\(name)" } ?? "--\(name)"
        }
        return grammar.flags.sorted().map { "[\(option($0))]" }
            + grammar.values.sorted().map { "[\(option($0)) …]" }
    }
}

/// One verb of the command line; a file each.
protocol Verb {
    static var name: String { get }
    static var grammar: Arguments.Grammar { get }
    /// The exit status where it fails.
    static var failure: Int32 { get }
    /// Returns the exit status.
    static func run(_ arguments: Arguments, _ globals: Globals, _ log: inout RuntimeLog) throws
        -> Int32
}

extension Verb {
    static var failure: Int32 { 1 }
}

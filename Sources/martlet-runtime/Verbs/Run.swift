import ContainerRuntime
import Glibc
import LinuxSystem

enum Run: Verb {
    static let name = "run"
    static let grammar = Arguments.Grammar(
        flags: Create.grammar.flags.union(["detach", "keep"]), values: Create.grammar.values,
        letters: Create.grammar.letters.merging(["d": "detach"]) { first, _ in first },
        words: "ID")

    static func run(_ arguments: Arguments, _ globals: Globals, _ log: inout RuntimeLog) throws
        -> Int32
    {
        let settings = try Create.settings(arguments, globals)
        if arguments.has("detach") {
            let made = try ContainerCreation(settings, hold: .socket)
            for line in made.notes { log.debug(line) }
            do {
                try ContainerStarting.start(made.home)
            } catch {
                var notes: [String] = []
                // The first error is the one to tell.
                try? ContainerDeletion.delete(made.home, force: true, notes: &notes)
                throw error
            }
            return 0
        }
        let signals = try ForwardedSignals()
        let made = try ContainerCreation(settings, hold: .status)
        for line in made.notes { log.debug(line) }
        var notes: [String] = []
        let status = try Attendance.attend(
            made, signals, keep: arguments.has("keep"), notes: &notes)
        for line in notes { log.warning(line) }
        return status
    }
}

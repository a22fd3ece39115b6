import ContainerRuntime
import Glibc
import LinuxSystem

enum Delete: Verb {
    static let name = "delete"
    static let grammar = Arguments.Grammar(
        flags: ["force"], letters: ["f": "force"], words: "ID")

    static func run(_ arguments: Arguments, _ globals: Globals, _ log: inout RuntimeLog) throws
        -> Int32
    {
        let home = try globals.home(try arguments.id())
        var notes: [String] = []
        do {
            try ContainerDeletion.delete(home, force: arguments.has("force"), notes: &notes)
        } catch let error as SystemError
            where error.errno == ENOENT && error.step == "container" && arguments.has("force")
        {
            // Asked to make sure that there is none: there is none.
            return 0
        }
        for line in notes { log.warning(line) }
        return 0
    }
}

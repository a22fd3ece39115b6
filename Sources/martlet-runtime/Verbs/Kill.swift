import ContainerRuntime
import Glibc

enum Kill: Verb {
    static let name = "kill"
    static let grammar = Arguments.Grammar(
        flags: ["all"], letters: ["a": "all"], words: "ID [SIGNAL]")

    static func run(_ arguments: Arguments, _ globals: Globals, _ log: inout RuntimeLog) throws
        -> Int32
    {
        guard (1...2).contains(arguments.words.count) else { throw Usage("an id, and a signal") }
        let text = arguments.words.count == 2 ? arguments.words[1] : "TERM"
        guard let signal = SignalName.number(text) else { throw Usage("\(text) is no signal") }
        try ContainerSignal.send(
            signal, to: try globals.home(arguments.words[0]), all: arguments.has("all"))
        return 0
    }
}

import ContainerRuntime
import OCIRuntimeSpec

enum State: Verb {
    static let name = "state"
    static let grammar = Arguments.Grammar(words: "ID")

    static func run(_ arguments: Arguments, _ globals: Globals, _ log: inout RuntimeLog) throws
        -> Int32
    {
        let home = try globals.home(try arguments.id())
        let record = try home.read()
        var state = record.state(home.status(record))
        if state.status == .stopped { state.pid = 0 }
        print(String(decoding: state.json(indented: true), as: UTF8.self))
        return 0
    }
}

import ContainerRuntime

enum Pause: Verb {
    static let name = "pause"
    static let grammar = Arguments.Grammar(words: "ID")

    static func run(_ arguments: Arguments, _ globals: Globals, _ log: inout RuntimeLog) throws
        -> Int32
    {
        try ContainerFreezer.freeze(try globals.home(try arguments.id()))
        return 0
    }
}

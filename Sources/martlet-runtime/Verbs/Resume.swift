import ContainerRuntime

enum Resume: Verb {
    static let name = "resume"
    static let grammar = Arguments.Grammar(words: "ID")

    static func run(_ arguments: Arguments, _ globals: Globals, _ log: inout RuntimeLog) throws
        -> Int32
    {
        try ContainerFreezer.thaw(try globals.home(try arguments.id()))
        return 0
    }
}

import ContainerRuntime

enum Start: Verb {
    static let name = "start"
    static let grammar = Arguments.Grammar(words: "ID")

    static func run(_ arguments: Arguments, _ globals: Globals, _ log: inout RuntimeLog) throws
        -> Int32
    {
        try ContainerStarting.start(try globals.home(try arguments.id()))
        return 0
    }
}

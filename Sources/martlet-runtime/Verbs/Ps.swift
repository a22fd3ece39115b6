import ContainerRuntime
import Glibc
import LinuxSystem

enum Ps: Verb {
    static let name = "ps"
    static let grammar = Arguments.Grammar(
        values: ["format"], letters: ["f": "format"], stopsAtWord: true, words: "ID [PS-OPTION…]")

    static func run(_ arguments: Arguments, _ globals: Globals, _ log: inout RuntimeLog) throws
        -> Int32
    {
        guard let id = arguments.rest.first else { throw Usage("the container's id is missing") }
        let pids = try ContainerProcesses.pids(try globals.home(id))
        switch arguments["format"] ?? "table" {
        case "json":
            print("[" + pids.map(String.init).joined(separator: ",") + "]")
            return 0
        case "table":
            let options = arguments.rest.dropFirst().filter { $0 != "--" }
            return try printTable(Set(pids), options.isEmpty ? ["-ef"] : Array(options))
        default: throw Usage("--format is table or json")
        }
    }

    /// What ps(1) prints, with the lines of other processes left out.
    private static func printTable(_ pids: Set<pid_t>, _ options: [String]) throws -> Int32 {
        let output = try ProgramOutput.of("ps", options)
        let lines = output.split(separator: "\n")
        guard let header = lines.first,
            let column = header.split(separator: " ").firstIndex(of: "PID")
        else { throw Usage("ps prints no column PID with these options") }
        print(header)
        for line in lines.dropFirst() {
            let fields = line.split(separator: " ")
            guard column < fields.count, let pid = pid_t(fields[column]), pids.contains(pid) else {
                continue
            }
            print(line)
        }
        return 0
    }
}

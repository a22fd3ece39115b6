import ContainerRuntime
import LinuxSystem

/// Tells what a container uses, again and again or once, and when it runs out of memory; a JSON object a line, as runc prints them.
enum Events: Verb {
    static let name = "events"
    static let grammar = Arguments.Grammar(
        flags: ["stats"], values: ["interval"], words: "ID")

    static func run(_ arguments: Arguments, _ globals: Globals, _ log: inout RuntimeLog) throws
        -> Int32
    {
        let home = try globals.home(try arguments.id())
        let interval = try milliseconds(arguments["interval"] ?? "5s")
        try ContainerEvents.tell(home, every: arguments.has("stats") ? nil : interval) {
            line in
            try Files.writeAll(1, (line + "\n").utf8, "stdout")
        }
        return 0
    }

    /// Go's form, which callers of runc write: `500ms`, `5s`, `2m`.
    private static func milliseconds(_ text: String) throws(Usage) -> Int64 {
        let units: [(String, Int64)] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)]
        for (unit, factor) in units where text.hasSuffix(unit) {
            guard let number = Int64(text.dropLast(unit.utf8.count)), (1...1_000_000) ~= number
            else { break }
            return number * factor
        }
        throw Usage("--interval is a time such as 5s or 500ms, not \(text)")
    }
}

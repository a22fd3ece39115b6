import ContainerRuntime
import Glibc
import LinuxSystem
import OCIRuntimeSpec

enum List: Verb {
    static let name = "list"
    static let grammar = Arguments.Grammar(
        flags: ["quiet"], values: ["format"], letters: ["q": "quiet", "f": "format"])

    static func run(_ arguments: Arguments, _ globals: Globals, _ log: inout RuntimeLog) throws
        -> Int32
    {
        let ids = ContainerHome.ids(root: globals.root)
        if arguments.has("quiet") {
            for id in ids { print(id) }
            return 0
        }
        let rows = ids.compactMap { row($0, globals) }
        switch arguments["format"] ?? "table" {
        case "table": printTable(rows)
        case "json": print(String(decoding: ContainerRow.json(rows), as: UTF8.self))
        default: throw Usage("--format is table or json")
        }
        return 0
    }

    /// Nil where it went away meanwhile, or is none of this version's.
    private static func row(_ id: String, _ globals: Globals) -> ContainerRow? {
        guard let home = try? globals.home(id), let record = try? home.read() else { return nil }
        var state = record.state(home.status(record))
        if state.status == .stopped { state.pid = 0 }
        return ContainerRow(
            state: state, rootfs: record.root, created: RuntimeLog.timestamp(record.created),
            owner: owner(record.owner))
    }

    /// By name where the machine knows one.
    private static func owner(_ uid: UInt32) -> String {
        // A machine without accounts has numbers.
        let text = (try? Files.text("/etc/passwd")) ?? ""
        let account = text.split(separator: "\n").map { $0.split(separator: ":") }
            .first { $0.count > 2 && $0[2] == "\(uid)" }
        return account.map { String($0[0]) } ?? "#\(uid)"
    }

    private static func printTable(_ rows: [ContainerRow]) {
        let header = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
        let lines =
            [header]
            + rows.map {
                [
                    $0.state.id, "\($0.state.pid ?? 0)", $0.state.status.rawValue, $0.state.bundle,
                    $0.created, $0.owner,
                ]
            }
        let widths = header.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
        for line in lines {
            let cells = zip(line, widths).map {
                $0 + String(repeating: " ", count: max(0, $1 - $0.count + 2))
            }
            print(cells.joined())
        }
    }
}

import JobModel
import LinuxSystem
import NodeLink
import Synchronization

/// A program in ssh's place that does what a test says, call by call; the last step is repeated. In a step `$n` is the nonce
/// and `$d` the directory of these files.
struct MockSSH {
    let folder: Folder

    init(_ steps: [String], files: [String: [UInt8]] = [:]) throws {
        folder = try Folder()
        for (name, bytes) in files { try Files.writeAtomically("\(folder.path)/\(name)", bytes) }
        for (number, step) in steps.enumerated() {
            try Files.writeAtomically("\(folder.path)/step\(number)", (step + "\n").utf8)
        }
        let script = """
            #!/bin/sh
            case " $* " in *" -G "*) exit 0;; esac
            for last; do :; done
            d=\(folder.path)
            echo $$ >>$d/pids
            n=$(echo "$last" | sed "s/.* sh \\([0-9a-f]*\\) \\([0-9a-f]*\\) '.*/\\1\\2/")
            c=$(cat $d/count 2>/dev/null || echo 0)
            test -e $d/step$c || c=\(steps.count - 1)
            echo $((c + 1)) >$d/count
            . $d/step$c

            """
        try Files.writeAtomically(folder.path + "/ssh", script.utf8, mode: 0o755)
        // What would be installed: two files of these names.
        for program in ["martlet-agent", "martlet-runtime"] {
            try Files.writeAtomically("\(folder.path)/\(program)", program.utf8, mode: 0o755)
        }
    }

    var pids: [Int32] {
        ((try? Files.text(folder.path + "/pids")) ?? "").split(separator: "\n").compactMap {
            Int32($0)
        }
    }

    func link() throws -> LinkEvents {
        let directories = Directories(state: "", data: folder.path, run: "", config: "")
        let ssh = try OpenSSH(
            NodeSpec(name: "n", destination: "n"),
            programs: AgentPrograms(in: folder.path, directories), budget: ConnectionBudget(),
            environment: ["MARTLET_SSH": folder.path + "/ssh"])
        let events = LinkEvents()
        let link = try AgentLink(.ssh(ssh), hello: HeadHello(head: "head")) { events.take($0) }
        events.link.withLock { $0 = link }
        try link.start()
        return events
    }
}

/// What came over a link.
final class LinkEvents: Sendable {
    let link = Mutex<AgentLink?>(nil)
    private let state = Mutex((hellos: 0, problems: [String]()))

    func take(_ event: AgentLink.Event) {
        state.withLock { state in
            switch event {
            case .connected: state.hellos += 1
            case .message: break
            case .disconnected(let problem): state.problems.append(problem)
            }
        }
    }
    var hellos: Int { state.withLock { $0.hellos } }
    var problems: [String] { state.withLock { $0.problems } }
    var kind: LinkProblem.Kind? { link.withLock { $0?.problem?.kind } }
    func close() { link.withLock { $0?.close() } }
}

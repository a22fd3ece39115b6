import ContainerRuntime
import LinuxSystem

/// What stands before the verb.
struct Globals {
    let root: String
    let logFile: String?
    let isLogJSON: Bool
    let isDebugging: Bool
    let manager: CgroupManager
    let wantsVersion: Bool
    let wantsHelp: Bool
    /// The verb and what follows it.
    let rest: [String]

    static let grammar = Arguments.Grammar(
        flags: ["debug", "systemd-cgroup", "version", "help"],
        values: ["root", "log", "log-format", "log-level", "cgroup-manager", "criu", "rootless"],
        letters: ["v": "version", "h": "help"], stopsAtWord: true)

    init(_ words: [String]) throws(Usage) {
        let arguments = try Arguments(words, Self.grammar)
        root = arguments["root"] ?? ContainerHome.defaultRoot()
        logFile = arguments["log"]
        switch arguments["log-format"] ?? "text" {
        case "text": isLogJSON = false
        case "json": isLogJSON = true
        default: throw Usage("--log-format is text or json")
        }
        isDebugging = arguments.has("debug")
        if let name = arguments["cgroup-manager"] {
            guard let manager = CgroupManager(rawValue: name) else {
                throw Usage("--cgroup-manager is cgroupfs, systemd or disabled")
            }
            self.manager = manager
        } else {
            manager = arguments.has("systemd-cgroup") ? .systemd : .cgroupfs
        }
        wantsVersion = arguments.has("version")
        wantsHelp = arguments.has("help")
        rest = arguments.rest
    }

    func home(_ id: String) throws(SystemError) -> ContainerHome {
        try ContainerHome(root: root, id: id)
    }
}

internal import CLinux
internal import Glibc

/// Where Martlet keeps its files for one user. `MARTLET_HOME=DIR` puts all four below DIR; else the XDG base directories
/// (XDG Base Directory Specification 0.8) hold, with a 0700 directory under /tmp where there is no runtime directory.
public struct Directories: Sendable, Hashable {
    /// Database, job directories.
    public let state: String
    /// Blobs, layers, agents.
    public let data: String
    /// Sockets and locks; emptied by a reboot.
    public let run: String
    public let config: String

    public init(state: String, data: String, run: String, config: String) {
        self.state = state
        self.data = data
        self.run = run
        self.config = config
    }

    /// Reads the environment given; relative XDG paths are ignored, as the specification asks.
    public init(environment: [String: String], uid: UInt32) {
        if let home = environment["MARTLET_HOME"], !home.isEmpty {
            let root = Self.normalised(
                home.hasPrefix("/") ? home : Self.currentDirectory() + "/" + home)
            self.init(
                state: root + "/state", data: root + "/data", run: root + "/run",
                config: root + "/config")
            return
        }
        let home = environment["HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil } ?? "/"
        func base(_ variable: String, _ fallback: String) -> String {
            if let value = environment[variable], value.hasPrefix("/") { return value + "/martlet" }
            return fallback
        }
        self.init(
            state: base("XDG_STATE_HOME", home + "/.local/state/martlet"),
            data: base("XDG_DATA_HOME", home + "/.local/share/martlet"),
            run: base("XDG_RUNTIME_DIR", "/tmp/martlet-\(uid)"),
            config: base("XDG_CONFIG_HOME", home + "/.config/martlet"))
    }

    /// This process's directories.
    public static func current() -> Directories {
        Directories(environment: ProcessEnvironment.all(), uid: getuid())
    }

    public var database: String { state + "/state.db" }
    public func jobDirectory(_ id: Int64) -> String { state + "/jobs/\(id)" }
    public var serverSocket: String { run + "/server.sock" }
    public var agentSocket: String { run + "/agent.sock" }
    public var launcherSocket: String { run + "/launcher.sock" }
    /// Held by the launcher for as long as it lives.
    public var launcherLock: String { run + "/launcher.lock" }

    /// Throws where a socket's path is longer than the kernel takes, and says which variable to change.
    public func checkSocketPaths() throws(SystemError) {
        // unix(7): sun_path has 108 bytes with its end.
        guard
            let longest = [serverSocket, agentSocket, launcherSocket].first(where: {
                $0.utf8.count > 107
            })
        else { return }
        let isOneHome = ProcessEnvironment.all()["MARTLET_HOME", default: ""].isEmpty == false
        throw SystemError(
            "use", longest, errno: ENAMETOOLONG,
            hint: "a socket's path has at most 107 bytes: set "
                + (isOneHome ? "MARTLET_HOME" : "XDG_RUNTIME_DIR") + " to a shorter directory")
    }

    /// Without `.`, empty parts, and `..` taken as text: container mounts refuse them.
    private static func normalised(_ path: String) -> String {
        var parts: [Substring] = []
        for part in path.split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(part) }
        }
        return "/" + parts.joined(separator: "/")
    }

    private static func currentDirectory() -> String {
        guard let buffer = getcwd(nil, 0) else { return "/" }
        defer { free(buffer) }
        return String(cString: buffer)
    }
}

/// The environment of this process, read once per call without Foundation.
public enum ProcessEnvironment {
    public static func all() -> [String: String] {
        var result: [String: String] = [:]
        guard var cursor = cl_environ() else { return result }
        while let entry = cursor.pointee {
            let text = String(cString: entry)
            if let equals = text.firstIndex(of: "=") {
                result[String(text[..<equals])] = String(text[text.index(after: equals)...])
            }
            cursor += 1
        }
        return result
    }
}

import Foundation
import Testing

/// What a command left behind.
struct Outcome {
    let status: Int32
    let output: String
    let errors: String
}

/// A home of its own for the built executables, with everything that they started ended when it goes.
final class Sandbox: Sendable {
    static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().path
    static let binaries = repository + "/.build/bin"

    /// Everything of this sandbox lies below it.
    let folder: String
    /// Runs the commands as this user, with no groups of its own; nil means as oneself.
    let uid: Int?
    /// In mount namespaces in which everybody may open /dev/net/tun, as udev has it.
    private let opensTun: Bool
    private let binaries: String

    init(uid: Int? = nil, opensTun: Bool = false) throws {
        self.opensTun = opensTun
        folder = "/tmp/martlet-test-" + UUID().uuidString.prefix(8).lowercased()
        self.uid = uid
        let files = FileManager.default
        try files.createDirectory(atPath: folder, withIntermediateDirectories: true)
        if let uid {
            // The checkout may lie where another user cannot reach it.
            binaries = folder + "/bin"
            try files.copyItem(atPath: Self.binaries, toPath: binaries)
            try files.setAttributes(
                [.ownerAccountID: uid, .groupOwnerAccountID: uid], ofItemAtPath: folder)
        } else {
            binaries = Self.binaries
        }
    }

    func close() {
        // Nothing may be running: then there is nothing to stop.
        _ = try? martlet("server", "stop", "--tasks")
        try? FileManager.default.removeItem(atPath: folder)
    }

    @discardableResult
    func martlet(_ arguments: String..., environment: [String: String] = [:]) throws -> Outcome {
        try martlet(arguments, environment: environment)
    }

    func martlet(_ arguments: [String], environment: [String: String] = [:]) throws -> Outcome {
        try run([binaries + "/martlet"] + arguments, environment: environment)
    }

    /// Runs a command in the sandbox's folder with its home; both outputs go through files, so that nothing can block.
    func run(_ command: [String], environment: [String: String] = [:]) throws -> Outcome {
        let process = Process()
        var command =
            uid.map {
                ["setpriv", "--reuid", "\($0)", "--regid", "\($0)", "--clear-groups"] + command
            } ?? command
        if opensTun {
            let open =
                "mount -t tmpfs none /dev/net && mknod -m 666 /dev/net/tun c 10 200 && exec \"$@\""
            command = ["unshare", "-m", "/bin/sh", "-c", open, "sh"] + command
        }
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        process.currentDirectoryURL = URL(fileURLWithPath: folder)
        var all = ProcessInfo.processInfo.environment
        all["MARTLET_HOME"] = folder + "/home"
        all["HOME"] = folder
        all["NO_COLOR"] = "1"
        all.merge(environment) { $1 }
        process.environment = all
        let stamp = UUID().uuidString
        let (output, errors) = (folder + "/.out-" + stamp, folder + "/.err-" + stamp)
        defer {
            for path in [output, errors] { unlink(path) }
        }
        for path in [output, errors] { try Data().write(to: URL(fileURLWithPath: path)) }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: output))
        process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: errors))
        try process.run()
        process.waitUntilExit()
        func text(_ path: String) -> String {
            String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
        }
        let status =
            process.terminationReason == .uncaughtSignal
            ? 128 + process.terminationStatus : process.terminationStatus
        return Outcome(status: status, output: text(output), errors: text(errors))
    }

    /// A program that has to succeed.
    @discardableResult
    func tool(_ command: String...) throws -> Outcome {
        let outcome = try run(command)
        try #require(outcome.status == 0, "\(command.joined(separator: " ")): \(outcome.errors)")
        return outcome
    }

    /// A shell script that has to succeed, in the sandbox's folder.
    func shell(_ script: String) throws { try tool("/bin/sh", "-c", script) }

    /// Asks again and again, for up to a minute.
    func waitUntil(_ what: String, _ condition: () throws -> Bool) throws {
        let deadline = Date().addingTimeInterval(60)
        while try !condition() {
            try #require(Date() < deadline, "never seen: \(what)")
        }
    }

    /// Kills every process that has this sandbox's home in its environment, as a power cut would.
    func killEverything() throws {
        let mine = "MARTLET_HOME=\(folder)/home\0"
        // A process may start another one while the list is read; in the end none is left.
        try waitUntil("no process is left") {
            let names = try FileManager.default.contentsOfDirectory(atPath: "/proc")
            let alive = names.compactMap { pid_t($0) }.filter {
                Machine.text("/proc/\($0)/environ").contains(mine)
            }
            for pid in alive { kill(pid, SIGKILL) }
            return alive.isEmpty
        }
    }

    func write(_ name: String, _ text: String) throws -> String {
        let path = folder + "/" + name
        try FileManager.default.createDirectory(
            atPath: URL(fileURLWithPath: path).deletingLastPathComponent().path,
            withIntermediateDirectories: true)
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        if let uid { chown(path, uid_t(uid), gid_t(uid)) }
        return path
    }

    /// A root filesystem of busybox alone, as a directory that serves as an image.
    func busyboxRoot() throws -> String {
        let root = folder + "/busybox"
        let files = FileManager.default
        guard !files.fileExists(atPath: root) else { return root }
        for name in ["bin", "etc", "tmp", "work", "log"] {
            try files.createDirectory(atPath: root + "/" + name, withIntermediateDirectories: true)
        }
        try files.copyItem(atPath: "/bin/busybox", toPath: root + "/bin/busybox")
        for applet in [
            "sh", "echo", "true", "false", "cat", "sleep", "id", "ls", "kill", "head", "dd", "env",
            "touch", "mkdir", "yes", "stty", "grep", "tty",
            "sed", "stat", "chown",
        ] {
            try files.createSymbolicLink(
                atPath: root + "/bin/" + applet, withDestinationPath: "busybox")
        }
        try "root:x:0:0:root:/:/bin/sh\n".write(
            toFile: root + "/etc/passwd", atomically: true, encoding: .utf8)
        try "root:x:0:\n".write(toFile: root + "/etc/group", atomically: true, encoding: .utf8)
        return root
    }

    /// A job as `show --json` tells it.
    func job(_ selector: String) throws -> Job {
        let outcome = try martlet("show", selector, "--json")
        try #require(outcome.status == 0, "show \(selector): \(outcome.errors)")
        return try JSONDecoder().decode(Job.self, from: Data(outcome.output.utf8))
    }
}

/// The documented part of `show JOB --json`, read as a script would read it.
struct Job: Decodable {
    struct Task: Decodable {
        let index: Int
        let attempt: Int
        let state: String
        let exitCode: Int?
        let signal: Int?
        let params: [String: Value]
        let node: String?
        let cpus: [Int]
        let numaNodes: [Int]
        let gpus: [String]
        let started: String?
        let ended: String?
        let stdout: String?
        let stderr: String?
        let metrics: [String: Double]
        let reason: String?
    }
    struct Image: Decodable {
        let reference: String
        let digest: String?
    }
    let schema: Int
    let id: Int
    let name: String
    let state: String
    let reason: String?
    let counts: [String: Int]
    let image: Image
    let tasks: [Task]
}

enum Value: Decodable, Equatable {
    case number(Double)
    case text(String)
    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let number = try? container.decode(Double.self) {  // a scalar of either kind
            self = .number(number)
        } else {
            self = .text(try container.decode(String.self))
        }
    }
}

enum Machine {
    static let isRoot = geteuid() == 0
    static let hasExecutables = ["martlet", "martlet-agent", "martlet-runtime"].allSatisfy {
        FileManager.default.isExecutableFile(atPath: Sandbox.binaries + "/" + $0)
    }
    /// Whether all of these programs are on the path.
    static func has(_ programs: String...) -> Bool {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        return programs.allSatisfy { program in
            folders.contains {
                FileManager.default.isExecutableFile(atPath: "\($0)/\(program)")
            }
        }
    }
    static let isLong = ProcessInfo.processInfo.environment["MARTLET_TEST_LONG"] != nil

    static func text(_ path: String) -> String {
        String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
    }
}

extension Sandbox {
    /// A command's JSON; it has to succeed.
    func json(_ arguments: [String]) throws -> [String: Any] {
        let outcome = try martlet(arguments)
        try #require(outcome.status == 0, "\(arguments): \(outcome.errors)")
        return try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
            ?? [:]
    }
}

internal import Glibc
internal import LinuxSystem
internal import Synchronization

/// A shell command line that must succeed.
public enum Shell {
    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    /// Both outputs together.
    @discardableResult
    public static func run(_ script: String) throws -> String {
        try run(["/bin/sh", "-c", "exec 2>&1; set -e; \(script)"], script)
    }

    static func run(_ words: [String], _ script: String) throws -> String {
        guard let program = ProgramPath.find(words[0]) ?? Optional(words[0]) else { return "" }
        let ended = try ProgramOutput.run(program, Array(words.dropFirst()), milliseconds: 120_000)
        let text = String(decoding: ended.output, as: UTF8.self)
        guard ended.status == 0 else {
            throw Failure(description: "\(script): status \(ended.status): \(text)")
        }
        return text
    }
}

/// A process that holds namespaces; ended when its owner goes.
final class LaboratoryProcess: Sendable {
    let pid: Int32
    private let command: Mutex<AttachedCommand?>

    /// Returns when it has said a line.
    init(_ arguments: [String]) throws {
        let command = try AttachedCommand(arguments)
        pid = command.pid
        var byte: UInt8 = 0
        while read(command.stdio.raw, &byte, 1) == 1, byte != UInt8(ascii: "\n") {}
        guard byte == UInt8(ascii: "\n") else {
            throw Shell.Failure(description: "\(arguments) did not come up")
        }
        // Only this process has it from here on.
        nonisolated(unsafe) let owned = command
        self.command = Mutex(owned)
    }

    /// Tells it to go on.
    func go() throws {
        try command.withLock { command in
            if let command { try Files.writeAll(command.stdio.raw, "\n".utf8, "stdin") }
        }
    }

    /// The process in whose namespaces the work is: its only child where it forked.
    var inside: Int32 {
        let children = (try? Files.text("/proc/\(pid)/task/\(pid)/children")) ?? ""
        return children.split(separator: " ").first.flatMap { Int32($0) } ?? pid
    }

    /// In its namespaces.
    @discardableResult
    func run(_ script: String, only kinds: String = "--net") throws -> String {
        try Shell.run(
            ["nsenter", "-t", "\(inside)"] + kinds.split(separator: " ").map(String.init)
                + ["/bin/sh", "-c", "exec 2>&1; set -e; \(script)"], script)
    }

    func end() {
        kill(pid, SIGKILL)
        command.withLock { $0 = nil }
    }
}

import Foundation
import Synchronization

/// A machine of four CPUs on two or four NUMA nodes with cgroup v2 alone, emulated by qemu, on which a test is root and may do
/// what it likes. Its programs are this machine's, read-only; all else lies in its memory.
///
///     let out = try EmulatedMachine.shared.run("cat /sys/fs/cgroup/cgroup.controllers")
///
/// `Guest/init` is the first program inside, `Guest/bin` is on every script's path.
final class EmulatedMachine: Sendable {
    /// What becomes the root filesystem inside.
    enum Root: String {
        /// This machine's programs and no daemon.
        case host
        /// A Debian with systemd, as `.ci/machine debian` makes it.
        case debian
    }

    /// What a machine is to be like.
    struct Model: Hashable {
        var root = Root.host
        /// Two or four, each with as much memory and as many CPUs as the others.
        var numaNodes = 2
        /// The Debian package that has it.
        var kernel = "linux-image-amd64"
    }

    /// The folder shared with the guest, as /results.
    let folder: String
    private let process: QEMU
    private let requests = Mutex(0)

    /// Boots in the background: the first script waits for it.
    init(_ model: Model) throws {
        folder = "/tmp/martlet-test-machine-" + UUID().uuidString.prefix(8).lowercased()
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        process = try QEMU(model, sharing: folder)
    }

    /// Runs a script by `sh -eu` as root, in a folder that holds `files` and takes its findings.
    /// - Throws: `GuestFailure` where the script fails, leaves something behind (processes, mounts, cgroups), or has not
    ///   ended after `seconds`; then the machine is gone.
    func run(
        _ script: String, files: [String: String] = [:], seconds: Int = 300
    ) throws -> GuestResult {
        try requests.withLock { count in
            count += 1
            let own = folder + "/\(count)"
            try FileManager.default.createDirectory(
                atPath: own, withIntermediateDirectories: false)
            for (name, text) in files.merging(["script": script], uniquingKeysWith: { $1 }) {
                try text.write(toFile: own + "/" + name, atomically: false, encoding: .utf8)
            }
            let before = process.console.utf8.count
            func result(_ status: Int) -> GuestResult {
                GuestResult(
                    folder: own, status: status,
                    console: String(process.console.utf8.dropFirst(before)) ?? "")
            }
            try process.ask("\(count)\n")
            let answer = process.answer(within: seconds)
            let words = (answer ?? "").split(separator: " ")
            guard words.count == 2, words[0] == "\(count)", let status = Int(words[1]) else {
                end()
                throw GuestFailure(
                    why: answer == nil ? "no answer in \(seconds) s" : "the machine ended",
                    result: result(-1))
            }
            let out = result(status)
            guard status == 0 else { throw GuestFailure(why: "status \(status)", result: out) }
            guard out.left.isEmpty else {
                throw GuestFailure(why: "left behind: \(out.left)", result: out)
            }
            return out
        }
    }

    var isRunning: Bool { process.isRunning }

    func end() {
        process.end()
    }

    func remove() {
        end()
        try? FileManager.default.removeItem(atPath: folder)
    }
}

extension EmulatedMachine {
    static let isPossible = QEMU.program != nil
    static let isLong = ProcessInfo.processInfo.environment["MARTLET_TEST_LONG"] != nil

    /// Those that this process has booted, ended with it.
    private static let booted = Mutex<[Model: EmulatedMachine]>([:])

    /// The one that all tests share; another one in its place where it has ended.
    static var shared: EmulatedMachine { get throws { try shared(.host) } }

    static func shared(_ root: Root) throws -> EmulatedMachine {
        try shared(Model(root: root))
    }

    static func shared(_ model: Model) throws -> EmulatedMachine {
        try booted.withLock { machines in
            if let machine = machines[model], machine.isRunning { return machine }
            if machines.isEmpty { atexit { EmulatedMachine.removeAll() } }
            machines[model]?.remove()
            let machine = try EmulatedMachine(model)
            machines[model] = machine
            return machine
        }
    }

    private static func removeAll() {
        booted.withLock { machines in
            for machine in machines.values { machine.remove() }
        }
    }
}

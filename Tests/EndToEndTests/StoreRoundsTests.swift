import CLinux
import Foundation
import Testing

/// Whatever ends a change of the store in its midst, what is left is whole or becomes so by the next pull.
@Suite(
    "Stores that are cut off", .serialized, .enabled(if: PulledImage.isPossible, PulledImage.reason)
)
struct StoreRoundsTests {
    enum Victim: String, CaseIterable, Sendable {
        case pull, unpack, prune, push

        static let rounds = Machine.isLong ? 25 : 4

        /// The store as it is before, and what is then begun and killed.
        func prepare(_ image: PulledImage) throws -> [String] {
            let copy = image.registry.host + "/team/copy:1"
            switch self {
            case .pull:
                try image.empty()
                return ["pull", image.name]
            case .unpack:
                try image.sandbox.shell("rm -rf \(image.data)/layers/* \(image.data)/user-layers/*")
                return ["pull", image.name]
            case .prune:
                _ = try image.sandbox.martlet("image", "tag", image.name, copy)
                return ["prune", "--all"]
            case .push:
                try image.sandbox.shell("rm -rf registry/docker/registry/v2/repositories/team/copy")
                return ["push", image.name, copy]
            }
        }
    }

    private func begin(_ arguments: [String], _ image: PulledImage) throws -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Sandbox.binaries + "/martlet")
        process.arguments = ["image"] + arguments
        process.currentDirectoryURL = URL(fileURLWithPath: image.sandbox.folder)
        var all = ProcessInfo.processInfo.environment
        all["MARTLET_HOME"] = image.sandbox.folder + "/home"
        all["HOME"] = image.sandbox.folder
        process.environment = all
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        process.standardInput = FileHandle.nullDevice
        try process.run()
        return process
    }

    @Test("kill -9 at a random moment leaves a store that heals", arguments: Victim.allCases)
    func killed(victim: Victim) throws {
        let image = try PulledImage(megabytes: 16)
        defer { image.close() }
        #expect(try image.pull().status == 0)
        let start = ContinuousClock.now
        try begin(try victim.prepare(image), image).waitUntilExit()
        var whole = (ContinuousClock.now - start) / .microseconds(1)
        try image.expectHealed("undisturbed")
        var interrupted = 0
        for round in 1...Victim.rounds {
            let process = try begin(try victim.prepare(image), image)
            // The moment is the random thing under test, not an event that one could await.
            usleep(UInt32(Double.random(in: 0...max(1000, whole))))
            // What is there already makes later ones shorter.
            if process.isRunning { interrupted += 1 } else { whole /= 2 }
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            try image.expectHealed("\(victim), round \(round)")
        }
        #expect(interrupted > 0)
        let pushed = try image.sandbox.martlet(
            "image", "push", image.name, image.registry.host + "/team/copy:1")
        #expect(pushed.status == 0, "\(pushed.errors)")
        try image.sandbox.tool(
            "skopeo", "copy", "-q", "--src-tls-verify=false",
            "docker://\(image.registry.host)/team/copy:1", "oci:\(image.sandbox.folder)/back:1")
    }

    private static let writes = [
        "write", "pwrite64", "ftruncate", "fsync", "rename", "mkdir", "mkdirat", "linkat",
        "symlinkat", "fchmod", "utimensat",
    ]

    @Test(
        "an error of the disk at any write ends a pull with words, and the next one heals",
        .enabled(if: Machine.has("strace") && Machine.isRoot, "needs strace and root"),
        arguments: ["EIO", "ENOSPC"])
    func failingDisk(error: String) throws {
        let image = try PulledImage(megabytes: 1, files: 5)
        defer { image.close() }
        let faults = try faults(of: image)
        #expect(faults.count >= 15, "\(faults)")
        for (call, number) in faults {
            try image.empty()
            let pulled = try image.pull(
                strace(
                    call,
                    ["--output=/dev/null", "--inject=\(call):error=\(error):when=\(number)"]))
            let fault = "\(call) \(number)"
            // Some writes are dispensable: a thread's name, a wake-up, a mark of use. And each thread's own write fails, also
            // that of the thread that tells of it.
            let isTold = !pulled.errors.isEmpty || call == "write"
            #expect(
                pulled.status == 0 || pulled.status == 3 && isTold,
                "\(fault): \(pulled.status) \(pulled.errors)")
            if pulled.status == 3, error == "ENOSPC", call == "pwrite64" {
                #expect(pulled.errors.contains("free some space"), "\(fault): \(pulled.errors)")
            }
            try image.expectHealed(fault)
        }
    }

    private func strace(_ calls: String, _ options: [String]) -> [String] {
        ["timeout", "120", "strace", "--follow-forks", "--quiet=all", "--trace=" + calls] + options
    }

    /// Calls of a pull, each thread's own counted from 1, spread evenly over what time allows.
    private func faults(of image: PulledImage) throws -> [(String, Int)] {
        let log = image.sandbox.folder + "/calls"
        let calls = Self.writes.joined(separator: ",")
        #expect(try image.pull(strace(calls, ["--output=" + log])).status == 0)
        var counts: [String: [Substring: Int]] = [:]
        for line in Machine.text(log).split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 1)
            guard words.count == 2 else { continue }
            let call = String(words[1].drop { $0 == " " }.prefix { $0 != "(" })
            guard Self.writes.contains(call) else { continue }
            counts[call, default: [:]][words[0], default: 0] += 1
        }
        let all = counts.sorted { $0.key < $1.key }.flatMap { call, threads in
            (1...(threads.values.max() ?? 1)).map { (call, $0) }
        }
        let most = Machine.isLong ? 10_000 : 24
        let step = max(1, (all.count + most - 1) / most)
        return stride(from: 0, to: all.count, by: step).map { all[$0] }
    }

    @Test(
        "on a file system without locks a pull goes on, and a removal is refused",
        .enabled(if: Machine.has("strace") && Machine.isRoot, "needs strace and root"))
    func noLocks() throws {
        let image = try PulledImage(megabytes: 1)
        defer { image.close() }
        let without = strace("flock", ["--output=/dev/null", "--inject=flock:error=ENOLCK"])
        #expect(try image.pull(without).status == 0)
        #expect(try image.pull(without).status == 0)
        for verb in [["rm", image.name], ["prune", "--all"]] {
            let refused = try image.sandbox.run(
                without + [Sandbox.binaries + "/martlet", "image"] + verb)
            #expect(refused.status == 3 && refused.errors.contains("has no locks"), "\(verb)")
        }
        #expect(try image.verify().output.contains("3 layers"))
    }

    @Test(
        "a disk that fills up at any point ends a pull with words, and with room the next one heals",
        .enabled(if: Machine.isRoot, "needs root to mount"))
    func full() throws {
        let image = try PulledImage(megabytes: 4)
        defer { image.close() }
        let home = image.sandbox.folder + "/home"
        try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)
        for size in Machine.isLong
            ? Array(stride(from: 100, to: 12_000, by: 300)) : [300, 4500, 8000]
        {
            try image.sandbox.tool(
                "mount", "-t", "tmpfs", "-o", "size=\(size)k", "tmpfs", home)
            defer { _ = try? image.sandbox.tool("umount", "-l", home) }
            let pulled = try image.pull()
            #expect(
                pulled.status == 0 || pulled.errors.contains("free some space"),
                "\(size): \(pulled.status) \(pulled.errors)")
            if size < 8100 { #expect(pulled.status == 3, "\(size) KiB do not hold it") }
            try image.sandbox.tool("mount", "-o", "remount,size=64m", home)
            try image.expectHealed("\(size) KiB")
        }
    }

    @Test(
        "a store that cannot be written to is read, verified and used, and damage is told",
        .enabled(if: Machine.isRoot, "needs root to mount"))
    func readOnly() throws {
        let image = try PulledImage(megabytes: 1)
        defer { image.close() }
        #expect(try image.pull().status == 0)
        // What a pull leaves running flushes: as long as its marks are there.
        try image.sandbox.tool(Sandbox.binaries + "/martlet", "image", "flush")
        try image.sandbox.tool("mount", "--bind", "-o", "ro", image.data, image.data)
        var isMounted = true
        defer { if isMounted { _ = try? image.sandbox.tool("umount", "-l", image.data) } }
        #expect(try image.verify().status == 0)
        #expect(try image.sandbox.martlet("image", "ls", "--quiet").output == image.name + "\n")
        #expect(try image.sandbox.martlet("image", "inspect", image.name).status == 0)
        for verb in [
            ["pull", image.name], ["rm", image.name], ["prune"], ["tag", image.name, "b:1"],
        ] {
            let outcome = try image.sandbox.martlet(["image"] + verb)
            #expect(outcome.status == 3, "\(verb)")
            #expect(outcome.errors.contains("Read-only file system"), "\(verb): \(outcome.errors)")
        }
        try image.sandbox.tool("umount", image.data)
        isMounted = false
        try image.sandbox.shell("rm \(image.data)/*layers/*/etc/file-1")
        try image.sandbox.tool("mount", "--bind", "-o", "ro", image.data, image.data)
        isMounted = true
        let damaged = try image.verify()
        #expect(damaged.status == 1 && damaged.output.contains("etc/file-1 is missing"))
        try image.sandbox.tool("umount", image.data)
        isMounted = false
        try image.expectHealed("after it can be written to again")
    }
}

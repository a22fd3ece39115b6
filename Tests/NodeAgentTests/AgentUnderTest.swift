import Foundation
import JobModel
import LinuxSystem
import NodeLink

/// A real agent and a real launcher with a home of their own.
final class AgentUnderTest: Sendable {
    /// Where the executables were built: beside the test bundle, or where `make build` puts them.
    static let binaries: String? = {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")).map
        { ($0 as NSString).deletingLastPathComponent }
        let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().path
        return [own, repository + "/.build/bin", repository + "/.build/debug"].compactMap { $0 }
            .first { folder in
                ["martlet-agent", "martlet-runtime"].allSatisfy {
                    FileManager.default.isExecutableFile(atPath: folder + "/" + $0)
                }
            }
    }()
    /// Why tests with real processes cannot run; nil where they can.
    static let obstacle: String? =
        binaries == nil
        ? "martlet-agent and martlet-runtime are not built" : AgentUnderTest.kernelObstacle()

    /// Mount namespaces are all that the launcher cannot do without.
    fileprivate static func kernelObstacle() -> String? {
        let check = try? AttachedCommand(
            geteuid() == 0 ? ["unshare", "-m", "true"] : ["unshare", "-U", "-m", "true"])
        guard let check else { return "unshare(1) is missing" }
        var byte = [UInt8](repeating: 0, count: 64)
        guard let got = try? UnixSocket.receive(check.errors.raw, into: &byte) else { return nil }
        return got.count > 0 ? "no namespaces here" : nil
    }

    let folder: Folder
    let directories: Directories

    /// Where the agent reads what the machine has.
    let systemRoot: String

    init(systemRoot: String = "/") throws {
        self.systemRoot = systemRoot
        folder = try Folder()
        directories = Directories(environment: ["MARTLET_HOME": folder.path + "/home"], uid: 0)
        try Files.makePrivateDirectory(directories.run)
    }

    deinit {
        for lock in ["agent.lock", "launcher.lock"] {
            if let pid = pid(lock) { kill(pid, SIGKILL) }
        }
    }

    @Sendable func start() throws {
        guard let binaries = Self.binaries else { return }
        try Daemon.start(
            [
                "/usr/bin/env", "MARTLET_HOME=\(folder.path)/home", "MARTLET_SYSROOT=\(systemRoot)",
                binaries + "/martlet-agent", "serve",
            ], log: directories.run + "/agent.log")
    }

    /// The process that holds a lock of ours; nil where nobody does.
    func pid(_ lock: String) -> pid_t? {
        let path = directories.run + "/" + lock
        guard let text = try? Files.text(path),
            let pid = pid_t(text.trimmingCharacters(in: .whitespacesAndNewlines))
        else { return nil }
        // Not locked: the process has ended, and its number may be another's.
        if let lock = try? FileLock.attempt(path) {
            _ = consume lock
            return nil
        }
        return pid
    }
    var agentPID: pid_t? { pid("agent.lock") }
    var launcherPID: pid_t? { pid("launcher.lock") }

    /// Resident kilobytes of a process, proc(5).
    static func residentSize(_ pid: pid_t) -> Int? {
        guard let text = try? Files.text("/proc/\(pid)/status"),
            let line = text.split(separator: "\n").first(where: { $0.hasPrefix("VmRSS:") })
        else { return nil }
        return line.split(separator: " ").dropLast().last.flatMap { Int($0) }
    }

    /// The machine's own root, and one task a CPU or as many as one likes (`cpus` 0).
    func template(_ job: Int64 = 1, _ change: (inout JobSpec) -> Void) -> JobTemplate {
        var spec = JobSpec(name: "test", image: "host", command: [])
        spec.resources.cpus = 0
        change(&spec)
        return JobTemplate(
            job: JobID(job), spec: spec, taskCount: 1, root: .host,
            directory: directories.jobDirectory(job))
    }

    static let busybox = ["/bin/busybox", "/usr/bin/busybox"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }

    /// A layer that holds busybox, and an empty working directory.
    func busyboxRoot() throws -> String {
        let root = folder.path + "/busybox"
        try FileManager.default.createDirectory(
            atPath: root + "/work", withIntermediateDirectories: true)
        if let busybox = Self.busybox {
            try FileManager.default.copyItem(atPath: busybox, toPath: root + "/busybox")
        }
        return root
    }

    func output(_ attempt: AttemptID, _ name: String = "stdout") throws -> String {
        try Files.text(
            directories.jobDirectory(attempt.task.job.rawValue)
                + "/tasks/\(attempt.task.index)/\(attempt.number)/\(name)")
    }
}

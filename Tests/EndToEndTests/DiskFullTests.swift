import Foundation
import Testing

/// A state directory on a file system that fills up.
@Suite(
    "Disk full", .serialized,
    .enabled(if: Machine.hasExecutables && Machine.isRoot, "needs the executables and root"))
struct DiskFullTests {
    @Test("a full disk refuses what is new, loses nothing, and the job goes on when there is room")
    func fullAndEmptiedAgain() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let home = sandbox.folder + "/home"
        try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)
        try sandbox.tool("mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", home)
        defer {
            // Before the sandbox goes: a mount point cannot be removed.
            _ = try? sandbox.martlet("server", "stop", "--tasks")
            _ = try? sandbox.tool("umount", "-l", home)
        }
        let root = try sandbox.busyboxRoot()
        let log = sandbox.folder + "/log"
        try FileManager.default.createDirectory(atPath: log, withIntermediateDirectories: true)
        let submit = try sandbox.martlet(
            "submit", "--quiet", "--image", root, "--name", "full", "--sweep", "i=1..60", "--mount",
            "\(log):/log", "--", "/bin/sh", "-c",
            // What the task itself cannot write is its own to try again.
            "echo $MARTLET_TASK_INDEX >> /log/journal; sleep 0.1; until echo said {i}; do sleep 0.1; done"
        )
        #expect(submit.status == 0, "\(submit.errors)")

        // tmpfs answers ENOSPC for the part that has no room, so the file takes all there is.
        let filler = try sandbox.run([
            "/bin/sh", "-c", "dd if=/dev/zero of=\(home)/filler bs=64k 2>/dev/null; true",
        ])
        #expect(filler.status == 0)
        let refused = try sandbox.martlet("submit", "--image", root, "--", "true")
        #expect(refused.status == 3, "\(refused.output)\(refused.errors)")
        #expect(
            refused.errors.contains("No space left") || refused.errors.contains("disk is full"),
            "whichever of folder and database met it first: \(refused.errors)")

        unlink(home + "/filler")
        var wait = try sandbox.martlet("wait", "full", "--timeout", "120")
        // As long as the server has not yet tried again, it says that it will.
        for _ in 0..<20 where wait.status == 3 {
            wait = try sandbox.martlet("wait", "full", "--timeout", "120")
        }
        #expect(wait.status == 0, "\(wait.errors)")
        let job = try sandbox.job("full")
        #expect(job.counts["succeeded"] == 60, "\(job.counts)")
        for task in job.tasks {
            #expect(Machine.text(task.stdout ?? "") == "said \(task.index + 1)\n")
        }
        let again = try sandbox.martlet("run", "--quiet", "--image", root, "--", "true")
        #expect(again.status == 0, "\(again.errors)")
    }
}

import Foundation
import Testing

/// What a machine's restart does, done to one home: every process gone at once, the run directory empty, another boot id.
@Suite(
    "Reboot",
    .enabled(if: Machine.hasExecutables && Machine.isRoot, "needs the executables and root"))
struct RebootTests {
    @Test("after a restart what had finished stays so, what ran is lost and retried, the rest runs")
    func reboot() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let log = sandbox.folder + "/log"
        try FileManager.default.createDirectory(atPath: log, withIntermediateDirectories: true)
        let home = sandbox.folder + "/home"
        let submit = try sandbox.martlet(
            "submit", "--quiet", "--image", try sandbox.busyboxRoot(), "--name", "boot", "--sweep",
            "i=1..12", "--mount", "\(log):/log", "--attempts", "3", "--retry-on", "node_lost", "--",
            "/bin/sh", "-c",
            // The fifth task and those behind it wait for a file that the machine's first life never sees.
            """
            echo b $MARTLET_TASK_INDEX $MARTLET_ATTEMPT >> /log/journal
            [ {i} -lt 5 ] || while [ ! -e /log/second-life ]; do sleep 0.05; done
            echo e $MARTLET_TASK_INDEX $MARTLET_ATTEMPT >> /log/journal
            """)
        #expect(submit.status == 0, "\(submit.errors)")
        try sandbox.waitUntil("four tasks have ended and others run") {
            let job = try sandbox.job("boot")
            return job.counts["succeeded"] == 4 && (job.counts["running"] ?? 0) > 0
                && Journal(Machine.text(log + "/journal")).begun.count > 4
        }
        try sandbox.killEverything()
        try FileManager.default.removeItem(atPath: home + "/run")
        let boot = try sandbox.write("boot_id", UUID().uuidString.lowercased() + "\n")
        try "".write(toFile: log + "/second-life", atomically: true, encoding: .utf8)

        let wait = try sandbox.run([
            "unshare", "--mount", "/bin/sh", "-c",
            "mount --bind \(boot) /proc/sys/kernel/random/boot_id && exec \"$@\"", "sh",
            Sandbox.binaries + "/martlet", "wait", "boot", "--timeout", "60",
        ])
        #expect(wait.status == 0, "\(wait.output)\(wait.errors)")
        let journal = Journal(Machine.text(log + "/journal"))
        for task in try sandbox.job("boot").tasks {
            #expect(task.state == "succeeded")
            #expect(journal.ended[task.index]?.contains(task.attempt) == true)
            if task.index < 4 { #expect(journal.begun[task.index] == [1], "it had finished") }
        }
        let interrupted = journal.begun.filter { $0.value.contains(1) && $0.key >= 4 }
        #expect(interrupted.contains { $0.value.count == 2 }, "one of them began a second attempt")
    }
}

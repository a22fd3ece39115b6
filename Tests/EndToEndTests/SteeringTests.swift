import Foundation
import Testing

/// `set`, `hold`, `release`, `pause` and `resume`, as a person types them.
@Suite("Steering", .serialized, .enabled(if: Machine.hasExecutables, "run `make build` first"))
struct SteeringTests {
    @Test("a held job starts nothing, also after a restart, and goes on when it is released")
    func hold() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        try sandbox.shell("mkfifo gate")
        let submit = try sandbox.martlet(
            "submit", "--image", "host", "--name", "held", "--sweep", "i=1..4", "--parallel", "1",
            "--mount", "\(sandbox.folder):/mnt", "--", "cat", "/mnt/gate")
        #expect(submit.status == 0, "\(submit.errors)")
        try sandbox.waitUntil("it runs") { try sandbox.job("held").counts["running"] == 1 }
        #expect(try sandbox.martlet("hold", "held").output == "job 1: held\n")
        try sandbox.martlet("server", "stop")
        try sandbox.shell("echo go > gate")
        try sandbox.waitUntil("the first has ended") {
            try sandbox.job("held").counts["succeeded"] == 1
        }
        let job = try sandbox.job("held")
        #expect(job.state == "held" && job.counts["queued"] == 3)
        #expect(job.reason?.contains("martlet release 1") == true)
        #expect(try sandbox.martlet("wait", "held", "--timeout", "1s").status == 124)
        #expect(try sandbox.martlet("release", "held").status == 0)
        for done in 2...4 {
            // One reader at a time: the next one is not to share a line with it.
            try sandbox.shell("echo go > gate")
            try sandbox.waitUntil("\(done) have ended") {
                try sandbox.job("held").counts["succeeded"] == done
            }
        }
        #expect(try sandbox.martlet("wait", "held", "--timeout", "60s").status == 0)
        let late = try sandbox.martlet("hold", "held")
        #expect(late.status == 2 && late.errors.contains("has ended"))
    }

    @Test("a paused task stands still, and goes on")
    func pause() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        _ = try sandbox.martlet(
            "submit", "--image", "host", "--name", "paused", "--mount",
            "\(sandbox.folder):/mnt", "--", "/bin/sh", "-c",
            "while ! [ -e /mnt/end ]; do echo x; sleep 0.02; done")
        func lines() throws -> Int { try sandbox.martlet("logs", "1_0").output.utf8.count / 2 }
        try sandbox.waitUntil("it writes") { try lines() > 2 }
        #expect(try sandbox.martlet("pause", "paused").status == 0)
        // It may take a moment to get there.
        var last = -1
        try sandbox.waitUntil("it stands still") {
            defer { last = (try? lines()) ?? 0 }
            return try lines() == last
        }
        #expect(try sandbox.job("paused").state == "held")
        try sandbox.shell("touch end")
        #expect(try sandbox.martlet("wait", "paused", "--timeout", "1s").status == 124)
        #expect(try sandbox.martlet("resume", "paused").status == 0)
        #expect(try sandbox.martlet("wait", "paused", "--timeout", "60s").status == 0)
    }

    @Test("a limit that is set holds for what runs already, and mistakes are told")
    func set() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        _ = try sandbox.martlet(
            "submit", "--image", "host", "--name", "slow", "--grace", "0", "--", "sleep", "1000")
        try sandbox.waitUntil("it runs") { try sandbox.job("slow").counts["running"] == 1 }
        #expect(try sandbox.martlet("set", "slow", "paralel=2").status == 2)
        let set = try sandbox.martlet("set", "slow", "time=1s", "priority=4")
        #expect(set.status == 0 && set.output == "job 1: time=1s, priority=4\n")
        #expect(try sandbox.martlet("wait", "slow", "--timeout", "60s").status == 1)
        #expect(
            try sandbox.job("slow").tasks.first?.reason?.contains("time limit of 1 s") == true)
    }
}

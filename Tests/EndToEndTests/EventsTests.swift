import Foundation
import Testing

/// `events` and `wait`, as a script uses them.
@Suite("Events", .serialized, .enabled(if: Machine.hasExecutables, "run `make build` first"))
struct EventsTests {
    struct Event: Decodable, Equatable {
        let schema: Int
        let sequence: Int
        let kind: String
        let job: Int?
        let task: Int?
        let state: String?
    }

    private func events(_ sandbox: Sandbox, _ arguments: String...) throws -> [Event] {
        let outcome = try sandbox.martlet(["events"] + arguments)
        try #require(outcome.status == 0, "\(outcome.errors)")
        return try outcome.output.split(separator: "\n").map {
            try JSONDecoder().decode(Event.self, from: Data($0.utf8))
        }
    }

    @Test("events are followed to a job's end, and resumed from a number by a later server")
    func following() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let submit = try sandbox.martlet(
            "submit", "--quiet", "--image", "host", "--name", "told", "--sweep", "i=0..3", "--",
            "/bin/sh", "-c", "exit {i}")
        #expect(submit.status == 0, "\(submit.errors)")
        let live = try events(sandbox, "-f", "told")
        #expect(live.first?.kind == "job_submitted" && live.last?.kind == "job_ended")
        #expect(live.last?.state == "failed")
        #expect(live.filter { $0.kind == "task_ended" }.count == 4)
        #expect(live.allSatisfy { $0.schema == 1 && $0.job == 1 })

        try sandbox.killEverything()
        #expect(try events(sandbox, "told") == live)
        let middle = live[2].sequence
        #expect(
            try events(sandbox, "--since", "\(middle)", "told")
                == live.filter { $0.sequence > middle })
        #expect(try events(sandbox).contains { $0.kind == "node_connected" })
        let wrong = try sandbox.martlet("events", "1_1")
        #expect(wrong.status == 2 && wrong.errors.contains("whole jobs"))
        #expect(try sandbox.martlet("events", "nobody").status == 2)
    }

    @Test("one who follows outlives a killed server, and is told when it is stopped")
    func survival() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        try sandbox.tool(
            "timeout", "120", "/bin/sh", "-c",
            """
            set -e
            PATH=\(Sandbox.binaries):$PATH
            seen() { while ! grep -q $1 $2; do :; done; }
            mkfifo go
            exec 3<>go
            martlet submit --quiet --image host --mount $PWD:$PWD --name long -- /bin/sh -c "read x < $PWD/go"
            martlet events -f long > told &
            follower=$!
            martlet wait long --timeout 100 &
            waiter=$!
            martlet logs -f long &
            reader=$!
            seen job_started told
            kill -9 $(martlet server status --json | sed -n 's/.*"pid" : \\([0-9]*\\).*/\\1/p')
            echo >&3
            wait $follower
            wait $waiter
            wait $reader
            grep -q job_ended told
            martlet submit --quiet --image host --name rest -- sleep 60
            martlet events -f rest > more 2> why &
            follower=$!
            seen job_started more
            martlet server stop --tasks >/dev/null
            if wait $follower; then exit 1; else [ $? = 3 ]; fi
            grep -q 'goes on from here' why
            """)
        let told = Machine.text(sandbox.folder + "/told").split(separator: "\n")
        #expect(Set(told).count == told.count, "nothing is told twice")
    }

    @Test("wait knows any, all and a time")
    func waiting() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        for (name, command) in [("long", "sleep 600"), ("good", "true"), ("bad", "false")] {
            let submit = try sandbox.martlet(
                "submit", "--image", "host", "--cpus", "0", "--name", name, "--", "/bin/sh", "-c",
                command)
            #expect(submit.status == 0)
        }
        let any = try sandbox.martlet("wait", "--any", "--quiet", "long", "good")
        #expect(any.status == 0 && any.output == "2\n", "\(any)")
        #expect(try sandbox.martlet("wait", "--any", "long", "bad").status == 1)
        #expect(try sandbox.martlet("wait", "good", "good").status == 0)
        #expect(try sandbox.martlet("wait", "--all", "good", "bad").status == 1)
        let late = try sandbox.martlet("wait", "--timeout", "0", "--json", "good", "long")
        #expect(late.status == 124 && late.output.contains("\"good\""))
        #expect(!late.output.contains("\"long\""))
        #expect(try sandbox.martlet("wait", "--timeout", "soon", "long").status == 2)
        #expect(try sandbox.martlet("wait", "--any", "--all", "long").status == 2)
    }
}

@Suite("Report", .serialized, .enabled(if: Machine.hasExecutables, "run `make build` first"))
struct ReportTests {
    @Test("a morning's report names what failed, why, and what to do")
    func report() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        #expect(try sandbox.martlet("report").output.contains("no job ran"))
        let run = try sandbox.martlet(
            "run", "--quiet", "--image", "host", "--name", "night", "--attempts", "2", "--sweep",
            "code=0,3", "--", "/bin/sh", "-c", "exit {code}")
        #expect(run.status == 1)
        let report = try sandbox.martlet("report", "--since", "1h")
        #expect(report.status == 0, "\(report.errors)")
        for words in [
            "1 job: 1 failed", "2 tasks ended: 1 succeeded, 1 failed; 1 attempt tried again",
            "1 of 1, night: exit code 3; see martlet logs 1_1", "martlet retry 1",
        ] {
            #expect(report.output.contains(words), "\(report.output)")
        }
        let json = try sandbox.json(["report", "--json"])
        let jobs = try #require(json["jobs"] as? [[String: Any]])
        #expect(jobs.first?["retried"] as? Int == 1)
        #expect(try sandbox.martlet("report", "--since", "never").status == 2)
    }
}

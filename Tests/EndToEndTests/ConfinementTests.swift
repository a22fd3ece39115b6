import Foundation
import Testing

/// What tasks may do, as a person asks for it, through the built executables.
@Suite("Confinement", .enabled(if: Machine.hasExecutables, "run `make build` first"))
struct ConfinementTests {
    /// As root, and as a user with no ids but its own.
    private static let users: [Int?] = Machine.isRoot ? [nil, 54321] : [nil]

    private static let noDirectories = #"""
        {"defaultAction": "SCMP_ACT_ALLOW", "archMap": [{"architecture": "SCMP_ARCH_X86_64"}],
         "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}]}
        """#

    /// What a task of this shell line says, both its outputs together.
    private func output(
        of line: String, _ options: [String], status: Int32 = 0, in sandbox: Sandbox
    ) throws -> String {
        let run = try sandbox.martlet(
            ["run", "--image", try sandbox.busyboxRoot(), "--cpus", "0", "--mount", "tmpfs:/tmp"]
                + options
                + ["--", "/bin/busybox", "sh", "-c", "exec 2>&1; " + line])
        #expect(run.status == status, "\(run.errors)")
        return try sandbox.martlet("logs", "last").output
    }

    @Test(
        "a task runs under the profile that it names, and under none where it asks for none",
        arguments: users)
    func seccomp(uid: Int?) throws {
        let sandbox = try Sandbox(uid: uid)
        defer { sandbox.close() }
        let profile = try sandbox.write("p.json", Self.noDirectories)
        let mkdir = "/bin/busybox mkdir /tmp/made && echo made"
        #expect(try output(of: mkdir, [], in: sandbox).contains("made"))
        let refused = try output(of: mkdir, ["--seccomp", profile], status: 1, in: sandbox)
        #expect(refused.contains("Operation not permitted"), "\(refused)")
        let status = "/bin/busybox grep -E '^(Seccomp|NoNewPrivs):' /proc/self/status"
        #expect(
            try output(of: status, ["--seccomp", "unconfined"], in: sandbox)
                .contains("NoNewPrivs:\t1\nSeccomp:\t0\n"))
        #expect(try output(of: status, [], in: sandbox).contains("Seccomp:\t2\n"))
        let shown = try sandbox.martlet("show", "2").output
        #expect(shown.contains("confined   seccomp profile \(profile)"), "\(shown)")
        #expect(!(try sandbox.martlet("show", "1").output.contains("confined")))
    }

    @Test("a bad profile is an error of the spec: what, where, and nothing submitted")
    func badProfile() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let bad = try sandbox.write(
            "bad.json", Self.noDirectories.replacingOccurrences(of: "SCMP_ACT_ERRNO", with: "NO"))
        _ = try sandbox.write("broken.json", "{\n\"defaultAction\" 1}")
        let spec = try sandbox.write(
            "s.yaml", "image: host\ncommand: [true]\nseccomp: broken.json\n")
        for (arguments, words) in [
            (
                ["--seccomp", "./bad.json", "--image", "host", "--", "true"],
                "--seccomp: \(bad): syscalls[0].action"
            ),
            ([spec], "s.yaml:3:10: \(sandbox.folder)/broken.json:2:17"),
            (["--seccomp", "./none", "--image", "host", "--", "true"], "\(sandbox.folder)/none"),
        ] {
            let outcome = try sandbox.martlet(["submit"] + arguments)
            #expect(outcome.status == 2)
            #expect(outcome.errors.contains(words), "\(outcome.errors)")
            #expect(outcome.output.isEmpty)
        }
    }

    @Test("root's task is privileged where that is asked, and everybody is told so")
    func privileged() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let submit = try sandbox.martlet(
            "submit", "--image", try sandbox.busyboxRoot(), "--cpus", "0", "--privileged", "--",
            "/bin/busybox", "grep", "-E", "^(CapEff|NoNewPrivs|Seccomp):", "/proc/self/status")
        #expect(submit.errors.contains("WARNING") && submit.errors.contains("privileged"))
        let end = try sandbox.martlet("wait", "1")
        if Machine.isRoot {
            #expect(end.status == 0)
            let mine = Machine.text("/proc/self/status").split(separator: "\n").first {
                $0.hasPrefix("CapEff:")
            }
            let log = try sandbox.martlet("logs", "1").output
            #expect(log == "\(mine ?? "")\nNoNewPrivs:\t0\nSeccomp:\t0\n")
        } else {
            #expect(end.status == 1)
        }
        #expect(try sandbox.martlet("show", "1").output.contains("confined   PRIVILEGED"))
    }

    @Test(
        "another user's task cannot be", .enabled(if: Machine.isRoot, "needs another user"))
    func refused() throws {
        let sandbox = try Sandbox(uid: 54321)
        defer { sandbox.close() }
        let run = try sandbox.martlet(
            "run", "--image", try sandbox.busyboxRoot(), "--cpus", "0", "--privileged", "--",
            "/bin/busybox", "true")
        #expect(run.status == 1, "\(run.errors)")
        let shown = try sandbox.martlet("show", "1_0").output
        #expect(shown.contains("privileged tasks are root's alone"), "\(shown)")
        #expect(shown.contains("uid 54321"), "\(shown)")
    }

    @Test("the plan says which filter a task gets")
    func plan() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let profile = try sandbox.write("p.json", Self.noDirectories)
        func lines(_ options: [String]) throws -> [String] {
            try sandbox.martlet(["debug", "plan", "--image", "host"] + options + ["--", "true"])
                .output.split(separator: "\n").filter {
                    $0.hasPrefix("confinement") || $0.hasPrefix("seccomp")
                }.map { String($0.drop { $0 != " " }.drop { $0 == " " }) }
        }
        let standard = try lines([])
        #expect(standard.count == 2 && standard[0].hasPrefix("standard"), "\(standard)")
        let own = try lines(["--seccomp", profile])
        #expect(own.count == 2 && own[0] == "seccomp profile \(profile)", "\(own)")
        // Of two calls: far fewer than of Docker's hundreds.
        #expect(own.last != standard.last && own.last?.hasPrefix("a filter of ") == true)
        #expect(try lines(["--seccomp", "unconfined"]) == ["no seccomp filter"])
    }
}

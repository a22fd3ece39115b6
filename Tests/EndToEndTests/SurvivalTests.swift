import Foundation
import Testing

/// Kills the real processes at random moments, again and again, and holds every task's outcome against what the tasks
/// themselves wrote: a line when they began and a line when they had done their work.
@Suite("Survival", .serialized, .enabled(if: Machine.hasExecutables, "run `make build` first"))
struct SurvivalTests {
    enum Victim: String, Sendable, CaseIterable {
        case server, agent, launcher
        var title: String {
            switch self {
            case .server: "martlet"
            case .agent: "martlet-agent"
            // What the read-only form of its program calls itself.
            case .launcher: "martlet-runtime (sealed)"
            }
        }
        /// Kills in a short run; in sum at least 50.
        var kills: Int { (self == .launcher ? 14 : 20) * (Machine.isLong ? 10 : 1) }
    }

    @Test(
        "kill -9 at random moments loses nothing and runs nothing twice", arguments: Victim.allCases
    )
    func killed(_ victim: Victim) throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let root = try sandbox.busyboxRoot()
        let log = sandbox.folder + "/log"
        try FileManager.default.createDirectory(atPath: log, withIntermediateDirectories: true)
        let tasks = victim.kills * 8
        let submit = try sandbox.martlet(
            "submit", "--quiet", "--image", root, "--name", "survivor", "--sweep", "i=1..\(tasks)",
            "--mount", "\(log):/log",
            "--attempts", "50", "--retry-on", "node_lost", "--", "/bin/sh", "-c",
            """
            echo b $MARTLET_TASK_INDEX $MARTLET_ATTEMPT >> /log/journal
            sleep 0.0$(( {i} % 7 ))
            echo e $MARTLET_TASK_INDEX $MARTLET_ATTEMPT >> /log/journal
            exit $(( {i} % 5 == 0 ? 3 : 0 ))
            """)
        #expect(submit.status == 0, "\(submit.errors)")

        var seed = SystemRandomNumberGenerator()
        var killed = 0
        let deadline = Date().addingTimeInterval(240)
        while killed < victim.kills, Date() < deadline {
            if let pid = process(victim, home: sandbox.folder + "/home") {
                kill(pid, SIGKILL)
                killed += 1
            }
            // The moment of the next kill is the random thing under test, not an event that one could await.
            usleep(UInt32.random(in: 20_000...250_000, using: &seed))
            let listed = try sandbox.martlet("ls", "--json")
            #expect(listed.status == 0, "after kill \(killed): \(listed.errors)")
        }
        #expect(killed == victim.kills)
        let wait = try sandbox.martlet("wait", "survivor", "--timeout", "240")
        #expect(wait.status == 1, "a fifth of the tasks fails on purpose: \(wait.errors)")

        let journal = Journal(Machine.text(log + "/journal"))
        let job = try sandbox.job("survivor")
        #expect(job.tasks.count == tasks)
        for task in job.tasks {
            let expected = (task.index + 1) % 5 == 0 ? "failed" : "succeeded"
            #expect(task.state == expected, "task \(task.index): \(task.reason ?? "")")
            #expect(
                journal.ended[task.index]?.contains(task.attempt) == true,
                "task \(task.index) is \(task.state), and its attempt \(task.attempt) never came to its end"
            )
            if victim != .launcher {
                #expect(
                    journal.begun[task.index]?.count == 1,
                    "task \(task.index) ran \(journal.begun[task.index] ?? [])")
            }
            let begun = journal.begun[task.index] ?? []
            #expect(
                Set(begun).count == begun.count,
                "an attempt of task \(task.index) ran twice: \(begun)")
        }
    }

    /// The living process of this home that runs the given executable.
    func process(_ victim: Victim, home: String) -> pid_t? {
        // Without /proc there would be nobody to kill, and the count of kills would tell.
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        for pid in names.compactMap({ pid_t($0) }) {
            guard Machine.text("/proc/\(pid)/environ").contains("MARTLET_HOME=\(home)\0") else {
                continue
            }
            let words = Machine.text("/proc/\(pid)/cmdline").split(separator: "\0")
            guard let program = words.first?.split(separator: "/").last, program == victim.title
            else { continue }
            // A container's process still shows the launcher's command line between clone and exec.
            if victim == .launcher, parent(of: pid).map({ isLauncher($0) }) == true { continue }
            if victim == .server, !words.dropFirst().contains("server") { continue }
            if words.dropFirst().contains("run") || words.dropFirst().contains("serve") {
                return pid
            }
        }
        return nil
    }

    private func parent(of pid: pid_t) -> pid_t? {
        let fields =
            Machine.text("/proc/\(pid)/stat").split(separator: ")").last?.split(separator: " ")
            ?? []
        return fields.count > 1 ? pid_t(fields[1]) : nil
    }

    private func isLauncher(_ pid: pid_t) -> Bool {
        Machine.text("/proc/\(pid)/cmdline").split(separator: "\0").first?.hasSuffix(
            Victim.launcher.title) == true
    }
}

/// What the tasks wrote: attempts begun and ended, by task index.
struct Journal {
    var begun: [Int: [Int]] = [:]
    var ended: [Int: [Int]] = [:]

    init(_ text: String) {
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count == 3, let index = Int(words[1]), let attempt = Int(words[2]) else {
                continue
            }
            if words[0] == "b" {
                begun[index, default: []].append(attempt)
            } else {
                ended[index, default: []].append(attempt)
            }
        }
    }
}

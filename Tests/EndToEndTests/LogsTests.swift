import Foundation
import Testing

@Suite("Logs", .enabled(if: Machine.hasExecutables, "run `make build` first"))
struct LogsTests {
    @Test("following prints every line of every attempt, however short the attempts are")
    func everyAttempt() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let submit = try sandbox.martlet(
            "submit", "--quiet", "--image", try sandbox.busyboxRoot(), "--attempts", "3",
            "--sweep", "i=1..2", "--", "/bin/sh", "-c",
            "n=0; while [ $n -lt 31 ]; do echo $MARTLET_ATTEMPT $n; n=$((n+1)); done; sleep 0.3; echo $MARTLET_ATTEMPT last; exit 1"
        )
        #expect(submit.status == 0, "\(submit.errors)")
        let logs = try sandbox.martlet("logs", "last", "-f")
        let lines = logs.output.split(separator: "\n").map(String.init)
        for index in 0..<2 {
            let expected = (1...3).flatMap { attempt in
                (0..<31).map { "\(index): \(attempt) \($0)" } + ["\(index): \(attempt) last"]
            }
            #expect(lines.filter { $0.hasPrefix("\(index): ") } == expected)
        }
    }
}

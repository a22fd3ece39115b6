import JobModel
import Testing

@testable import Scheduling

@Suite("Faults")
struct FaultTests {
    @Test(
        "through every fault nothing finished runs again, nothing acknowledged is lost, and all ends",
        arguments: 1...24)
    func faults(seed: Int) {
        var round = FaultRound(seed: UInt64(seed))
        round.submit()
        for step in 0..<2000 {
            round.step(withFaults: true)
            if step.isMultiple(of: 50) { round.check() }
            if !round.violations.isEmpty { break }
        }
        var steps = 0
        while !round.server.active.isEmpty, steps < 100_000 {
            steps += 1
            round.step(withFaults: false)
        }
        round.check()
        #expect(round.violations.isEmpty)
        let unfinished = round.server.active.compactMap { round.server.job($0) }
        #expect(
            unfinished.isEmpty,
            """
            \(unfinished.map { "\($0.id): \($0.counts), \($0.live.count) with the node" })
            """)
        round.crashServer()
        round.check()
        #expect(round.violations.isEmpty)
    }
}

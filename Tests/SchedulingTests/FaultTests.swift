import Foundation
import JobModel
import Testing

@testable import Scheduling

@Suite("Faults")
struct FaultTests {
    @Test(
        "through every fault nothing finished runs again, nothing acknowledged is lost, and all ends",
        arguments: 1...24)
    func oneNode(seed: Int) { run(FaultRound(seed: UInt64(seed)), steps: 2000) }

    @Test(
        "the same of nodes behind wires that break, and of tasks on several of them",
        arguments: 0..<(isLong ? 100 : 10))
    func cluster(part: Int) {
        for seed in part * Self.rounds..<(part + 1) * Self.rounds {
            run(FaultRound(seed: UInt64(1000 + seed), nodes: 2 + seed % 3), steps: 300)
        }
    }

    private static let isLong = ProcessInfo.processInfo.environment["MARTLET_TEST_LONG"] != nil
    private static let rounds = isLong ? 100 : 20

    private func run(_ round: FaultRound, steps: Int) {
        var round = round
        let seed = round.seed
        round.submit()
        for step in 0..<steps where round.violations.isEmpty {
            round.step(withFaults: true)
            if step.isMultiple(of: 50) { round.check() }
        }
        var calm = 0
        while !round.server.active.isEmpty, calm < 100_000, round.violations.isEmpty {
            calm += 1
            round.step(withFaults: false)
        }
        round.check()
        #expect(round.violations.isEmpty, "seed \(seed)")
        let unfinished = round.server.active.compactMap { round.server.job($0) }
        #expect(
            unfinished.isEmpty,
            """
            seed \(seed): \(unfinished.map { "\($0.id): \($0.counts), \($0.live.count) with nodes" })
            """)
        round.crashServer()
        round.check()
        #expect(round.violations.isEmpty, "seed \(seed), after a restart")
    }
}

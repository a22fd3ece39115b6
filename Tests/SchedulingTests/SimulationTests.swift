import JobModel
import Testing

@testable import Scheduling

@Suite("Simulation")
struct SimulationTests {
    @Test(
        "through every fault nothing finished runs again, nothing acknowledged is lost, and all ends",
        arguments: 1...24)
    func faults(seed: Int) {
        var simulation = Simulation(seed: UInt64(seed))
        simulation.submit()
        for step in 0..<2000 {
            simulation.step(withFaults: true)
            if step.isMultiple(of: 50) { simulation.check() }
            if !simulation.violations.isEmpty { break }
        }
        var steps = 0
        while !simulation.server.active.isEmpty, steps < 100_000 {
            steps += 1
            simulation.step(withFaults: false)
        }
        simulation.check()
        #expect(simulation.violations.isEmpty)
        let unfinished = simulation.server.active.compactMap { simulation.server.job($0) }
        #expect(
            unfinished.isEmpty,
            """
            \(unfinished.map { "\($0.id): \($0.counts), \($0.live.count) with the node" })
            """)
        simulation.crashServer()
        simulation.check()
        #expect(simulation.violations.isEmpty)
    }
}

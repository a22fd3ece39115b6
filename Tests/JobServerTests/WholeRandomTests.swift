import Foundation
import JobModel
import Testing

@testable import JobServer

/// One that fails is run alone, and told, by `MARTLET_TEST_NIGHT=<its seed>`.
@Suite("Random nights")
struct WholeRandomTests {
    private static let environment = ProcessInfo.processInfo.environment
    private static let isLong = environment["MARTLET_TEST_LONG"] != nil
    private static let wanted = environment["MARTLET_TEST_NIGHT"].flatMap { UInt64($0) }

    private static let parts = 8

    @Test(
        "through whatever people, nodes and deaths of the server do, its promises hold",
        .enabled(if: wanted == nil), arguments: 0..<parts)
    func nights(part: Int) async throws {
        for number in 0..<(Self.isLong ? 400 : 3) {
            try await Self.check(seed: UInt64(1 + number * Self.parts + part))
        }
    }

    @Test("the night that was asked for", .enabled(if: wanted != nil))
    func one() async throws { try await Self.check(seed: Self.wanted ?? 0) }

    private static func check(seed: UInt64) async throws {
        // On a thread of its own: it waits for those of stores.
        let (violations, story) = try await ServerPace().value {
            var night = WholeRandomNight(seed: seed)
            defer { night.world.remove() }
            night.run()
            if night.world.violations.isEmpty { _ = night.world.checkEnds() }
            return (night.world.violations, night.world.story)
        }
        #expect(violations.isEmpty, "seed \(seed)")
        if wanted != nil { print(story.joined(separator: "\n")) }
    }
}

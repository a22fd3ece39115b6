import Foundation
import JobModel
import Testing

@testable import JobServer

/// The whole server, killed at every place where something leaves it. A night that fails is run alone, and told, by
/// `MARTLET_TEST_DEATHS=<its boundaries, with commas>`.
@Suite("A whole night")
struct WholeNightTests {
    private struct Night: Sendable {
        var outcome: WholeOutcome
        var boundaries: [WholeWorld.Boundary]
        var violations: [String]
        var story: [String]
    }

    private static let isLong = ProcessInfo.processInfo.environment["MARTLET_TEST_LONG"] != nil

    /// On a thread of its own: it waits for those of stores.
    private static func night(_ deaths: Set<Int> = []) async throws -> Night {
        try await ServerPace().value {
            let night = WholeNight(deaths: deaths)
            defer { night.world.remove() }
            night.run()
            let outcome = night.world.checkEnds()
            return Night(
                outcome: outcome, boundaries: night.world.boundaries,
                violations: night.world.violations, story: night.world.story)
        }
    }

    @Test("undisturbed, everything ends as it was meant to, twice in the very same way")
    func undisturbed() async throws {
        let night = try await Self.night()
        #expect(night.violations.isEmpty)
        let jobs = Dictionary(
            night.outcome.jobs.map { ($0.name, $0) }, uniquingKeysWith: { one, _ in one })
        #expect(jobs["prepare"]?.state == .succeeded)
        // The first try of its last task had failed.
        #expect(jobs["each"]?.tasks == [.succeeded, .succeeded, .succeeded, .cancelled])
        #expect(jobs["ok"]?.tasks == [.cancelled, .cancelled])
        #expect(jobs["any"]?.state == .succeeded && jobs["last"]?.state == .succeeded)
        #expect(jobs["steered"]?.tasks.suffix(3) == [.cancelled, .cancelled, .cancelled])
        #expect(jobs["gang"]?.state == .succeeded && jobs["patient"]?.state == .succeeded)
        #expect(jobs["search"]?.tasks.filter { $0 == .stopped }.count == 3)
        #expect(Set(jobs["sampled"]?.points.map { $0["x"] } ?? []).count == 5)
        #expect(jobs["grow"]?.tasks.count == 5)
        #expect(night.story.contains { $0.contains("is repeated as") })
        for boundary in WholeWorld.Boundary.allCases {
            #expect(night.boundaries.contains(boundary), "none was counted")
        }
        let again = try await Self.night()
        #expect(again.outcome == night.outcome)
        #expect(again.boundaries.map(\.rawValue) == night.boundaries.map(\.rawValue))
    }

    private static let parts = 8
    private static let undisturbed = Task { try await night() }

    @Test("killed at any one boundary it ends the same", arguments: 0..<parts)
    func once(part: Int) async throws {
        let night = try await Self.undisturbed.value
        let count = night.boundaries.count
        // In the short form every part has its own few.
        let step = Self.isLong ? Self.parts : Self.parts * 12
        for death in stride(from: 1 + part * (step / Self.parts), through: count, by: step) {
            try await check([death], night)
        }
    }

    @Test("killed twice, the second time soon after the first", arguments: 0..<parts)
    func twice(part: Int) async throws {
        let night = try await Self.undisturbed.value
        var random = SplitMix(seed: UInt64(part))
        for _ in 0..<(Self.isLong ? 200 : 2) {
            let first = Int.random(in: 1...night.boundaries.count, using: &random)
            try await check([first, first + Int.random(in: 1...40, using: &random)], night)
        }
    }

    private static let wanted = ProcessInfo.processInfo.environment["MARTLET_TEST_DEATHS"]

    @Test("the night that was asked for", .enabled(if: wanted != nil))
    func one() async throws {
        let deaths = (Self.wanted ?? "").split(separator: ",").compactMap { Int($0) }
        try await check(Set(deaths), try await Self.undisturbed.value)
        print(try await Self.night(Set(deaths)).story.joined(separator: "\n"))
    }

    private func check(_ deaths: Set<Int>, _ undisturbed: Night) async throws {
        let night = try await Self.night(deaths)
        let places = deaths.sorted().map {
            $0 <= night.boundaries.count ? "\($0) (\(night.boundaries[$0 - 1]))" : "\($0)"
        }
        #expect(night.violations.isEmpty, "killed at \(places)")
        #expect(
            night.outcome.differences(from: undisturbed.outcome) == [], "killed at \(places)")
    }
}

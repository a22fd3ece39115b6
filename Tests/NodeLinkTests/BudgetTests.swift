import Synchronization
import Testing

@testable import NodeLink

struct BudgetTests {
    @Test func noMoreKnockThanMayAndTheNextInOrderFollow() throws {
        let budget = ConnectionBudget()
        let granted = Mutex<[Int]>([])
        var slots = (0..<12).map { number in
            budget.slot(jumpHost: "door") { granted.withLock { $0.append(number) } }
        }
        #expect(slots.filter(\.isGranted).count == ConnectionBudget.mostAtJumpHost)
        // Another door is not kept shut.
        #expect(budget.slot(jumpHost: nil) {}.isGranted)
        // One that gives up waiting takes nobody's place.
        slots.remove(at: 9).giveBack()
        slots[0].giveBack()
        slots[0].giveBack()
        slots[1].giveBack()
        #expect(granted.withLock { $0 } == [8, 10])
        #expect(!slots[10].isGranted)
        slots.removeSubrange(0..<9)
        #expect(granted.withLock { $0 } == [8, 10, 11])
        slots = []
        let fresh = (0..<9).map { _ in budget.slot(jumpHost: "door") {} }
        #expect(fresh.filter(\.isGranted).count == ConnectionBudget.mostAtJumpHost)
    }

    @Test func nodesWithoutAJumpHostShareOneDoor() {
        let budget = ConnectionBudget()
        let slots = (0..<40).map { _ in budget.slot(jumpHost: nil) {} }
        #expect(slots.filter(\.isGranted).count == ConnectionBudget.mostInAll)
    }
}

struct BackoffTests {
    /// The longest that each pause can be.
    private func pauses(
        _ kind: LinkProblem.Kind, hasTasks: Bool = false, tries: Int = 40
    ) -> [Int64] {
        var backoff = Backoff()
        var now: Int64 = 0
        return (0..<tries).map { _ in
            let pause = backoff.pause(after: kind, now: now, hasTasks: hasTasks) { $0 }
            now += pause + 2000
            return pause
        }
    }

    @Test func aBrokenLinkIsTriedAtOnceAndAShortOutageDelaysItLittle() {
        var backoff = Backoff()
        backoff.connected(now: 0)
        #expect(backoff.pause(after: .lost, now: 60_000, hasTasks: false) { $0 } == 0)
        var now: Int64 = 60_000
        while now < 120_000 {
            let pause = backoff.pause(after: .timedOut, now: now, hasTasks: false) { $0 }
            #expect(pause <= 2000)
            if now < 76_000 { #expect(backoff.connectTimeout(now: now) <= 4) }
            now += pause + 100
        }
    }

    @Test func aLongOutageIsAskedForRarelyAndANodeWithTasksMoreOften() {
        #expect(pauses(.unreachable, tries: 200).max() == Backoff.longest)
        #expect(pauses(.unreachable, hasTasks: true, tries: 200).max() == Backoff.longestWithTasks)
        #expect(pauses(.refused).max() == Backoff.longest)
        #expect(pauses(.throttled)[0] >= 2000)
        // Each try adds to what sshd holds against us.
        #expect(pauses(.permissionDenied).max() == Backoff.longestWhereUnwelcome)
        #expect(pauses(.permissionDenied)[0] >= 5000)
    }

    @Test func aLinkThatBreaksAgainAndAgainIsNotTriedWithoutAPause() {
        var backoff = Backoff()
        var (now, immediate) = (Int64(0), 0)
        for _ in 0..<20 {
            backoff.connected(now: now)
            now += 100
            let pause = backoff.pause(after: .lost, now: now, hasTasks: true) { $0 }
            if pause == 0 { immediate += 1 }
            now += pause
        }
        #expect(immediate == 1)
    }

    @Test func pausesOfManyNodesAreSpread() {
        var pauses: Set<Int64> = []
        for _ in 0..<50 {
            var backoff = Backoff()
            pauses.insert(backoff.pause(after: .unreachable, now: 0, hasTasks: false))
        }
        #expect(pauses.count > 25)
    }
}

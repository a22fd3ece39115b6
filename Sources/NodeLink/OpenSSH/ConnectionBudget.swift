internal import Synchronization

/// How many handshakes stand at once, over all nodes of a head: sshd drops connections at random from ten unauthenticated
/// ones on (sshd_config(5), MaxStartups 10:30:100), and a jump host sees those of all the nodes behind it. Any thread.
public final class ConnectionBudget: Sendable {
    /// At one jump host, and at all nodes that are reached without one.
    public static let (mostAtJumpHost, mostInAll) = (8, 32)

    private struct Door {
        var inside = 0
        var waiting: [(number: UInt64, admit: @Sendable () -> Bool)] = []
    }
    private struct State {
        var doors: [String: Door] = [:]
        var lastNumber: UInt64 = 0
    }
    private let state = Mutex(State())

    public init() {}

    /// A place in a queue, and then a slot. Given back when it goes.
    final class Slot: Sendable {
        fileprivate let budget: ConnectionBudget
        fileprivate let door: String
        fileprivate let number: UInt64
        private let status = Mutex(Status.waiting)
        fileprivate enum Status { case waiting, granted, over }

        fileprivate init(_ budget: ConnectionBudget, _ door: String, _ number: UInt64) {
            (self.budget, self.door, self.number) = (budget, door, number)
        }
        deinit { giveBack() }

        var isGranted: Bool { status.withLock { $0 == .granted } }

        /// False where it was given back meanwhile.
        fileprivate func grant() -> Bool {
            status.withLock { status in
                guard status == .waiting else { return false }
                status = .granted
                return true
            }
        }

        /// More than once does nothing.
        func giveBack() {
            let former = status.withLock { status in
                defer { status = .over }
                return status
            }
            if former != .over { budget.leave(self, wasInside: former == .granted) }
        }
    }

    /// - Parameters:
    ///   - jumpHost: nil for a node that is reached directly.
    ///   - granted: called once where the slot was not free at once, on any thread; must not block.
    func slot(jumpHost: String?, granted: @escaping @Sendable () -> Void) -> Slot {
        state.withLock { state in
            state.lastNumber += 1
            let slot = Slot(self, jumpHost ?? "", state.lastNumber)
            if state.doors[slot.door, default: Door()].inside < Self.most(slot.door) {
                state.doors[slot.door, default: Door()].inside += 1
                _ = slot.grant()
            } else {
                // It does not keep the slot alive: who gives up waiting is forgotten.
                state.doors[slot.door]?.waiting.append(
                    (
                        slot.number,
                        { [weak slot] in
                            guard slot?.grant() == true else { return false }
                            granted()
                            return true
                        }
                    ))
            }
            return slot
        }
    }

    private static func most(_ door: String) -> Int { door.isEmpty ? mostInAll : mostAtJumpHost }

    private func leave(_ slot: Slot, wasInside: Bool) {
        guard wasInside else {
            return state.withLock { state in
                state.doors[slot.door]?.waiting.removeAll { $0.number == slot.number }
            }
        }
        // One that gave up at this very moment lets the next one in.
        while let admit = nextWaiting(at: slot.door), !admit() {}
    }

    /// Nil where nobody waits; then one fewer is inside.
    private func nextWaiting(at door: String) -> (@Sendable () -> Bool)? {
        state.withLock { state in
            guard let first = state.doors[door]?.waiting.first else {
                state.doors[door]?.inside -= 1
                return nil
            }
            state.doors[door]?.waiting.removeFirst()
            return first.admit
        }
    }
}

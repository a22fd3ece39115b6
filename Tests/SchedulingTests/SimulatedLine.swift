import JobModel

@testable import Scheduling

/// A node and the wire to it.
struct SimulatedLine {
    enum State {
        case down, up
        /// The head believes it to stand: nothing arrives, or what the node says does not.
        case dead, deaf
    }

    var node: SimulatedNode
    var state = State.down
    var deadSince = Timestamp(milliseconds: 0)
    /// The wire is broken until then.
    var brokenUntil = Timestamp(milliseconds: 0)
    /// The head's number of it.
    var connection = 0
    var toNode: [Effect] = []

    init(node: SimulatedNode) { self.node = node }

    mutating func send(_ effect: Effect) {
        if state != .down { toNode.append(effect) }
    }

    mutating func close() {
        toNode = []
        node.outbox = []
        state = .down
    }

    mutating func die(_ state: State, _ now: Timestamp) {
        guard self.state == .up else { return }
        self.state = state
        deadSince = now
    }

    /// Heartbeats come as long as the head sends them and the wire lets them through.
    mutating func listen(_ now: Timestamp) {
        if state == .up || state == .deaf { node.lastHeard = now }
        node.checkLease(now)
    }

    /// Whether the head has heard nothing for so long that it gives the connection up.
    func isNoticed(_ now: Timestamp) -> Bool {
        (state == .dead || state == .deaf) && now.milliseconds - deadSince.milliseconds > 20_000
    }
}

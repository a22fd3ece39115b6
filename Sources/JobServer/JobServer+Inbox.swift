internal import DequeModule
internal import JobModel
internal import NodeLink
internal import Scheduling
internal import Synchronization

/// What came from other threads, in order. However much comes while the actor works, it is woken once.
final class Inbox: Sendable {
    enum Item: Sendable {
        case event(ServerEvent)
        case node(String, NodeLine.Event)
        /// Of that process of the job's sampler.
        case sampler(JobID, Int, SamplerProcess.Event)
        /// The oldest writes under way are on disk.
        case committed
        /// All that was queued before this one was asked for is on disk.
        case settled(Int)
    }

    private struct Contents {
        var items: [Item] = []
        var isWoken = false
        var onWork: (@Sendable () async -> Void)?
        var pause: Int64 = 0
    }
    private let contents = Mutex(Contents())
    private let pace: ServerPace

    init(_ pace: ServerPace) { self.pace = pace }

    var onWork: (@Sendable () async -> Void)? {
        get { contents.withLock { $0.onWork } }
        set { contents.withLock { $0.onWork = newValue } }
    }

    /// With many nodes something comes all the time. One plan and one commit for several ends cost less than one for each, and
    /// 5 ms are little beside the way to a node and back.
    static func pause(nodes: Int) -> Int64 { min(5, Int64(nodes) / 50) }

    /// How long the actor is left alone after the first of several that come together, in milliseconds.
    var pause: Int64 {
        get { contents.withLock { $0.pause } }
        set { contents.withLock { $0.pause = newValue } }
    }

    func post(_ item: Item) {
        let work = contents.withLock { contents -> ((@Sendable () async -> Void), Int64)? in
            contents.items.append(item)
            guard !contents.isWoken, let onWork = contents.onWork else { return nil }
            contents.isWoken = true
            return (onWork, contents.pause)
        }
        guard let (onWork, pause) = work else { return }
        pace.start { [pace] in
            // Cancelled by nobody.
            if pause > 0 { try? await pace.sleep(pause) }
            await onWork()
        }
    }

    func take() -> [Item] {
        contents.withLock { contents in
            contents.isWoken = false
            defer { contents.items = [] }
            return contents.items
        }
    }
}

extension JobServer {
    /// Takes in all that has come since the last time, plans once, and carries out what follows.
    func drain() {
        var events: [ServerEvent] = []
        for item in inbox.take() {
            switch item {
            case .event(.released) where isDamaged: break
            case .event(let event):
                if case .held = event {
                    failSettlers()
                    // Whoever waits for their end learns that it waits for room on the disk.
                    for commit in uncommitted { for id in commit.ends { publishNow(id) } }
                }
                events.append(event)
            case .node(let name, let event): receive(event, from: name, &events)
            case .sampler(let id, let number, let event):
                take(event, ofSampler: id, number, &events)
            case .committed:
                // What was saved before is done before what is decided now.
                if let commit = uncommitted.popFirst() {
                    perform(commit.effects)
                    for notification in commit.notifications { deliver(notification) }
                }
                tellEventReaders()
            case .settled(let settler):
                settlers.removeValue(forKey: settler)?.resume(returning: true)
            }
        }
        if !events.isEmpty { apply(events) }
    }

    /// Small steps are those of a clock that is kept right (adjtime(3), and what the two clocks' rounding makes).
    private func clockSet() -> [ServerEvent] {
        let ahead = startedAt.wallAhead
        guard abs(ahead - wallAhead) >= 500 else { return [] }
        wallAhead = ahead
        note("the clock is \(ahead) ms ahead of when this server started: starts go by it")
        return [.clockSet(ahead)]
    }

    func apply(_ events: [ServerEvent]) {
        carryOut(state.apply(clockSet() + events, now: now))
        steerSamplers()
    }
}

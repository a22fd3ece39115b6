internal import JobModel
internal import LinuxSystem
internal import NodeLink

/// Whose this node is, and for how long without a word of his.
extension Agent {
    static let leaseEnd = "its head was silent for longer than its lease"

    /// Why a head is turned away; nil where it may come in.
    func objection(to hello: HeadHello) -> String? {
        guard identity.isAnother(hello.head) else {
            guard let newest = identity.epoch, let epoch = hello.epoch, epoch < newest else {
                return nil
            }
            return "a newer server with the same database has been here"
        }
        if hello.takesOver == true { return nil }
        if session != nil { return "this node serves \(identity.name), which is connected" }
        guard !hasLeaseRunOut else { return nil }
        let count = Set(live.keys).union(orphans.keys).union(ended.keys).count
        if count == 0, launcherEpoch != nil || search.hasFailed { return nil }
        let silence = Self.words(Clock.sinceBoot() - lastWord)
        let rest = identity.lease.map { "its lease is \(Self.words($0))" } ?? "its lease has no end"
        return "this node serves \(identity.name), which has \(count) tasks here and was heard "
            + "\(silence) ago; \(rest)"
    }

    /// A word more exact than that helps nobody.
    private static func words(_ milliseconds: Int64) -> String {
        milliseconds < 120_000 ? "\(milliseconds / 1000) s" : "\(milliseconds / 60_000) min"
    }

    /// Also where a connection seems to stand: this machine may have been suspended meanwhile, and nobody's clock elsewhere was.
    private var hasLeaseRunOut: Bool {
        guard let lease = identity.lease else { return false }
        return Clock.sinceBoot() - max(lastWord, session?.lastWord ?? 0) >= lease
    }

    /// Looked at again and again, since a timer of the loop does not run while the machine is suspended.
    func watchLease() {
        let pause = min(5000, max(10, (identity.lease ?? .max) / 8))
        loop.after(pause) { [unowned self] in
            if self.hasLeaseRunOut { self.giveUp() }
            self.watchLease()
        }
    }

    /// Ends what a head has left alone. It takes these tasks for lost by now, and may have started them elsewhere. The records
    /// wait for it all the same.
    private func giveUp() {
        let left = live.filter { $0.value.phase != .collecting && !$0.value.isGivenUp }
        guard !left.isEmpty else { return }
        note("\(identity.name) has been silent for longer than its lease: its tasks are ended")
        giveBack(left.filter { $0.value.phase == .queued }.map(\.key), cancelled: false)
        for (id, task) in left where task.phase == .withLauncher {
            live[id]?.isGivenUp = true
            cancel(id)
        }
    }
}

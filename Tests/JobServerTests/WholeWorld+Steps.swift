import GRDB
import JobModel

/// What happens, one thing after the other.
extension WholeWorld {
    /// One thing happens. False where nothing more happens until then; it is then that time.
    func step(until end: Int64) -> Bool {
        steps += 1
        if steps > 200_000 { violate("there is no end to it") }
        if server == nil || isOver {
            revive()
            return true
        }
        for node in nodes where node.isAwaited {
            node.connect(now)
            note("\(node.name) says hello, of \(node.accepted)")
            thread.drain()
            return true
        }
        for node in nodes where node.say() {
            thread.drain()
            return true
        }
        for node in nodes {
            if let task = node.startNext(now) {
                note(start: task, on: node)
                return true
            }
        }
        for node in nodes where node.nextDue.map({ $0 <= now }) == true {
            if let record = node.happen(now) { note(end: record, on: node) }
            return true
        }
        let due = (nodes.map(\.nextDue) + [thread.nextDue]).compactMap { $0 }.min()
        thread.pass(to: min(due ?? end, end))
        return due.map { $0 <= end } ?? false
    }

    func pass(_ milliseconds: Int64) {
        let end = now + milliseconds
        while violations.isEmpty, step(until: end) {}
    }

    /// Until the jobs of these names have ended; nil means all but those that are repeated.
    func awaitEnds(_ names: [String]? = nil) {
        // More than a night has.
        let longest = now + 50 * 3_600_000
        while violations.isEmpty, !haveEnded(names) {
            guard step(until: longest) else {
                let open = rows("SELECT id, name, counts FROM jobs WHERE ended IS NULL") { row in
                    "\(row["id"] as Int64) \(row["name"] as String) \(row["counts"] as String? ?? "")"
                }
                return violate("these jobs never end: \(open)")
            }
        }
        pass(0)
    }

    private func haveEnded(_ names: [String]?) -> Bool {
        guard server != nil, !isOver else { return false }
        let open = rows("SELECT name FROM jobs WHERE ended IS NULL") { $0["name"] as String }
        return open.allSatisfy { name in names.map { !$0.contains(name) } ?? (name == "nightly") }
    }
}

internal import Glibc
internal import JobModel

/// `start` and `group`: when a job may begin, and beside whom.
extension JobSpecReader {
    func start(_ node: SpecNode) -> Timestamp? {
        let text = node.scalar ?? ""
        if let time = StartTime.parse(text, now: Int64(time(nil))) { return time }
        read.fail(
            node, "'\(text)' is no moment",
            hint:
                "write 22:00, 2026-11-27T22:00 (with Z or +01:00 for another zone than here), or +90m"
        )
        return nil
    }

    func repetition(_ node: SpecNode) -> RepeatRule? {
        do throws(RepeatRule.Malformed) {
            return try RepeatRule((node.scalar ?? "").trimmed)
        } catch {
            read.fail(
                node, error.description,
                hint: "repeat: \"0 22 * * *\" is every evening; @daily, @weekly")
            return nil
        }
    }

    func group(_ node: SpecNode) -> JobGroup? {
        var (name, parallel): (String?, Int?)
        read.mapping(
            node, "group",
            [
                "name": { name = self.read.string($0, "name") },
                "parallel": {
                    parallel = self.read.integer($0, "parallel", in: 1...1_000_000).map { Int($0) }
                },
            ])
        if let name, let parallel, !name.isEmpty { return JobGroup(name: name, parallel: parallel) }
        if diagnostics.isEmpty {
            read.fail(
                node, "a group has a name, and a number of tasks that its jobs may have at once",
                hint: "group: {name: licences, parallel: 8}")
        }
        return nil
    }
}

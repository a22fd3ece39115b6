internal import Glibc
internal import JobModel
internal import LinuxSystem
internal import NodeLink

/// What running tasks of jobs with a search report, to their head.
extension Agent {
    /// Milliseconds between two looks at the files: one lstat(2) each where nothing was written.
    private static let rungPause: Int64 = 100
    /// Looks at a file whose task has ended, at most.
    private static let lastLooks = 64

    /// From its start on, also where an earlier agent saw that.
    func followRungs(of id: AttemptID) {
        guard let template = templates.find(id.task.job), follower(of: id, template) != nil,
            !isFollowing
        else { return }
        isFollowing = true
        lookAtRungs()
    }

    private func lookAtRungs() {
        loop.after(Self.rungPause) { [unowned self] in
            let running = self.followers.keys.filter {
                self.live[$0]?.phase == .withLauncher && self.live[$0]?.started != nil
            }
            var found: [RungRecord] = []
            for id in running.sorted(by: { $0.task < $1.task }) {
                found += self.followers[id]?.read().found ?? []
            }
            self.tellRungs(found)
            self.isFollowing = !running.isEmpty
            if self.isFollowing { self.lookAtRungs() }
        }
    }

    /// Before its end is told: others are compared with it.
    func readLastRungs(of id: AttemptID, _ template: JobTemplate) {
        guard var follower = follower(of: id, template) else { return }
        var found: [RungRecord] = []
        for _ in 0..<Self.lastLooks {
            let look = follower.read()
            found += look.found
            if look.isAtEnd { break }
        }
        followers[id] = follower
        tellRungs(found)
    }

    /// Without a head, or before its hello is answered: they come after the hello.
    func tellRungs(_ records: [RungRecord]) {
        guard !isHelloOwed else { return }
        for batch in records.batches(by: { _ in 256 }) { session?.send(.reached(batch)) }
    }

    private func follower(of id: AttemptID, _ template: JobTemplate) -> RungFollower? {
        if let known = followers[id] { return known }
        guard let policy = template.spec.search else { return nil }
        let directories = TaskDirectories(job: template.directory, attempt: id)
        followers[id] = RungFollower(policy, id, directories)
        return followers[id]
    }
}

public import JobModel
internal import LinuxSystem
internal import Scheduling

// Outputs of tasks on other machines come here as they grow while somebody reads them.

extension JobServer {
    /// Milliseconds for which one look keeps outputs coming.
    private static let following: Int64 = 5000
    /// What is there when somebody begins to look should be here when they do.
    private static let firstLook: Duration = .milliseconds(300)

    /// Somebody reads what the selected tasks write; to be said again while they do.
    public func follow(_ selection: TaskSelection) async throws(ErrorReport) {
        let job = try job(selection.job)
        guard !job.isFinal, nodes.count > 1 else { return }
        let until = Clock.monotonic() + Self.following
        let ranges = selection.ranges(of: job.taskCount)
        var fresh: [String: [AttemptID]] = [:]
        let isWatched = !followed.isEmpty
        for (index, live) in state.liveTasks(of: selection.job)
        where ranges.contains(where: { $0.contains(index) }) {
            let name = live.placement.node
            guard let node = nodes[name], node.spec != nil, live.started != nil,
                node.sharesJobs != true || places.isGang(selection.job)
            else { continue }
            let id = AttemptID(task: TaskID(job: selection.job, index: index), number: live.attempt)
            if followed[id] == nil { fresh[name, default: []].append(id) }
            followed[id] = (name, until)
        }
        guard !fresh.isEmpty else { return }
        for (name, attempts) in fresh { nodes[name]?.files?.follow(attempts) }
        if !isWatched { Task { await self.unfollowLater() } }
        // Cut short it only looks earlier.
        try? await Task.sleep(for: Self.firstLook)
    }

    private func unfollowLater() async {
        while !followed.isEmpty {
            guard (try? await Task.sleep(for: .milliseconds(Self.following))) != nil else { return }
            let now = Clock.monotonic()
            for (id, entry) in followed where entry.until < now {
                followed[id] = nil
                nodes[entry.node]?.files?.unfollow([id])
            }
        }
    }
}

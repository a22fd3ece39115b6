internal import ContainerRuntime
internal import Glibc
internal import JobModel
internal import LinuxSystem
internal import NodeLink

/// What waits on this node, and what it waits for.
extension Agent {
    func accept(_ task: RunTask) {
        let id = task.attempt
        if let known = live[id] {
            // A new agent learns what a running task occupies.
            if known.task != nil { return learnTime(of: task) }
            live[id]?.task = task
            if known.phase == .withLauncher { occupy(id) }
            tellLimit(of: id)
            return
        }
        guard ended[id] == nil, orphans[id] == nil, !named.contains(id) else { return }
        live[id] = Live(task: task, phase: .queued)
        queue.append(task)
    }

    func cancel(_ attempts: [AttemptID]) {
        giveBack(attempts.filter { live[$0]?.phase == .queued }, cancelled: true)
        for id in attempts {
            // The head does not wait for it and tells no job, so there is nothing to finish it by.
            if let orphan = orphans.removeValue(forKey: id) {
                reportPlainly(orphan.exit, id, orphan.upper)
            }
            cancel(id)
        }
    }

    func cancel(_ id: AttemptID) {
        guard let task = live[id], !task.isStopping else { return }
        live[id]?.isStopping = true
        guard task.phase == .withLauncher else { return }
        withLauncher { launcher throws(SystemError) in try launcher.stop(id: id.description) }
    }

    func recall(_ attempts: [AttemptID]) {
        giveBack(attempts.filter { live[$0]?.phase == .queued }, cancelled: false)
    }

    func giveBack(_ attempts: [AttemptID], cancelled: Bool) {
        let given = Set(attempts)
        queue.removeAll { given.contains($0.attempt) }
        discardPrepared { given.contains($0) }
        for id in attempts {
            var record = ExitRecord(
                attempt: id, status: .neverStarted, ended: Timestamp(milliseconds: Clock.now()))
            record.cancelled = cancelled
            report(record)
        }
    }

    // MARK: CPUs and memory

    func occupy(_ id: AttemptID) {
        guard let task = live[id]?.task, live[id]?.occupies == false else { return }
        live[id]?.occupies = true
        busyCPUs.formUnion(task.placement.cpus)
        memoryInUse += memory(of: task)
    }

    func release(_ id: AttemptID) {
        guard let task = live[id]?.task, live[id]?.occupies == true else { return }
        live[id]?.occupies = false
        busyCPUs.subtract(task.placement.cpus)
        memoryInUse -= memory(of: task)
    }

    func hasMemory(for task: RunTask) -> Bool {
        memoryInUse + memory(of: task) <= inventory.memory
    }

    private func memory(of task: RunTask) -> Int64 {
        task.memory ?? templates.find(task.attempt.task.job)?.spec.resources.memory ?? 0
    }

    // MARK: Starting

    /// Starts what can start, in order: a task whose CPUs are taken lets those pass that need others.
    func pump() {
        guard launcherEpoch != nil, !isStartingAnew, !queue.isEmpty, isProbing || holds.isEmpty
        else { return }
        var waiting: [RunTask] = []
        // Who comes later does not take the CPUs for which an earlier one waits.
        var claimed = busyCPUs
        let every = inventory.cpuCount
        var isBlocked = false
        for task in queue {
            let cpus = task.placement.cpus
            // All are spoken for, mostly after a few of many.
            if claimed.count >= every, !cpus.isEmpty {
                waiting.append(task)
                continue
            }
            let fits =
                !isBlocked && claimed.isDisjoint(with: cpus) && hasMemory(for: task)
            claimed.formUnion(cpus)
            guard fits else {
                waiting.append(task)
                continue
            }
            switch start(task) {
            case .handedOver, .refused: continue
            case .later:
                // The disk, the table of open files or the launcher is full: nothing more starts in this round.
                isBlocked = true
                waiting.append(task)
            }
        }
        queue = waiting
        if !isBlocked { prepareNext() }
    }

    // MARK: A full disk, or too many open files

    /// Milliseconds until it is looked whether there is room again.
    static let shortagePause: Int64 = 2000

    func runsShort(_ error: SystemError) {
        if holds[.shortage] == nil { probe() }
        hold(
            .shortage,
            error.isDiskFull ? "\(error); make room there and it goes on" : "\(error)")
    }

    /// Looks by starting the first that waits.
    private func probe() {
        loop.after(Self.shortagePause) { [unowned self] in
            self.isProbing = true
            let before = self.queue.count
            self.pump()
            self.isProbing = false
            let hasRoom = self.queue.isEmpty || self.queue.count < before
            guard hasRoom, !self.finishingWaits else { return self.probe() }
            self.hold(.shortage, nil)
            self.pump()
        }
    }
}

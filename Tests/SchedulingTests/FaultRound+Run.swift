import JobModel

@testable import Scheduling

extension FaultRound {
    /// One thing happens.
    mutating func step(withFaults: Bool) {
        now = Timestamp(milliseconds: now.milliseconds + Int64.random(in: 0...40, using: &random))
        if !withFaults { setHeld(false) }
        switch Int.random(in: 0..<103, using: &random) {
        case 0..<30: commit()
        case 30..<60: deliver()
        case 60..<85: work()
        case 85..<88: apply(.tick)
        case 88..<91: connect()
        case 91..<93 where withFaults: submit()
        case 93 where withFaults: cancelSome()
        case 94 where withFaults: cut()
        case 95 where withFaults:
            cut()
            node.restartAgent()
        case 96 where withFaults: node.killLauncher()
        case 97 where withFaults: crashServer()
        case 98 where withFaults && chance(20):
            cut()
            node.reboot()
        case 99 where withFaults: retrySome()
        case 100, 101: setHeld(withFaults && chance(30))
        case 102 where withFaults && chance(20): stopAll()
        default: connect()
        }
    }

    private mutating func cancelSome() {
        guard let id = server.active.randomElement(using: &random) else { return }
        let first = Int.random(in: 0..<20, using: &random)
        apply(
            .cancelRequested(
                TaskSelection(job: id, ranges: chance(30) ? nil : [first..<first + 3])))
    }

    private mutating func retrySome() {
        guard let id = disk.jobs.keys.sorted().randomElement(using: &random) else { return }
        load(id)
        for dependency in server.job(id)?.dependencies ?? [] where dependency.condition == .each {
            load(dependency.job)
        }
        apply(.retryRequested(TaskSelection(job: id), [.failed, .lost, .cancelled]))
        // Whoever asked for it knows that those may run again.
        for index in 0..<(server.job(id)?.taskCount ?? 0)
        where server.taskState(TaskID(job: id, index: index)) == .queued {
            settled.remove(TaskID(job: id, index: index))
        }
    }

    mutating func check() {
        for job in server.allJobs where job.isLoaded {
            var counts = TaskCounts()
            for index in 0..<job.taskCount {
                counts[job.state(of: index)] += 1
                if job.state(of: index) == .succeeded,
                    node.truth[TaskID(job: job.id, index: index)]?.contains(.code(0)) != true
                {
                    violations.append("\(job.id)_\(index) succeeded without having run to its end")
                }
            }
            if counts != job.counts {
                violations.append("job \(job.id) counts \(job.counts), has \(counts)")
            }
        }
        for (id, count) in acknowledgedJobs where server.job(id)?.counts.total != count {
            violations.append("job \(id) is not whole")
        }
        checkResources()
    }

    /// Every CPU is free or in one lane.
    private mutating func checkResources() {
        guard let own = server.nodes["n"], let room = server.pool["n"]?.resources,
            room.cpuCount > 0
        else { return }
        var cpus = room.freeCPUs
        for lane in own.lanes { cpus += server.lanes[lane]?.placement.cpus ?? [] }
        if cpus.sorted() != [0, 1, 2, 3] { violations.append("CPUs are accounted as \(cpus)") }
        for (id, lane) in server.lanes where lane.tasks.isEmpty || !own.lanes.contains(id) {
            violations.append("lane \(id) is left over")
        }
    }
}

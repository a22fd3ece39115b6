import JobModel

@testable import Scheduling

extension FaultRound {
    /// One thing happens.
    mutating func step(withFaults: Bool) {
        pass(Int64.random(in: 0...40, using: &random))
        if !withFaults {
            setHeld(false)
            if wallAhead != 0 { setClock(right: true) }
            for id in server.active where server.job(id)?.decisions.hold != nil {
                apply(.jobSteered(id, .release))
            }
        }
        sample()
        let name = names.randomElement(using: &random) ?? ""
        switch Int.random(in: 0..<113, using: &random) {
        case 0..<30: commit()
        case 30..<60: deliver(name)
        case 60..<85: work(name, endsSoon: !withFaults || names.count == 1)
        case 85..<88: apply(.tick)
        case 88..<91: connect(name)
        case 91..<93 where withFaults: submit()
        case 93 where withFaults: cancelSome()
        case 94 where withFaults:
            let time = chance(50) ? Int64.random(in: 0...60_000, using: &random) : 0
            breakWire(name, for: time)
        case 95 where withFaults:
            cut(name)
            lines[name]?.node.restartAgent()
        case 96 where withFaults: lines[name]?.node.killLauncher()
        case 97 where withFaults && chance(60): crashServer()
        case 98 where withFaults && chance(20):
            if chance(50) { cut(name) } else { lines[name]?.die(.dead, now) }
            lines[name]?.node.reboot()
        case 99 where withFaults: retrySome()
        case 100, 101: setHeld(withFaults && chance(30))
        case 102 where withFaults && chance(20): stopAll()
        case 103 where withFaults:
            let state = chance(50) ? SimulatedLine.State.dead : .deaf
            lines[name]?.die(state, now)
        case 104 where withFaults: drain(name, Draining.allCases.randomElement(using: &random))
        case 105: drain(name, nil)
        case 106:
            let longest: Int64 = chance(20) ? 15_000 : 1500
            pass(Int64.random(in: 0...longest, using: &random))
            apply(.tick)
        case 107:
            if let event = echoes.randomElement(using: &random) { apply(event) }
        case 110 where withFaults && chance(50): renewSome()
        case 112 where withFaults && chance(50): setClock(right: chance(30))
        case 108, 109: steerSome(withFaults: withFaults)
        default: connect(name)
        }
    }

    /// Some of its points go, and some come.
    private mutating func renewSome() {
        guard let id = disk.jobs.keys.sorted().randomElement(using: &random) else { return }
        load(id)
        guard let job = server.job(id), job.isLoaded, !job.isIndexed, !job.isSampled else {
            return
        }
        for dependency in job.dependencies { load(dependency.job) }
        let count = job.taskCount + Int.random(in: 0...3, using: &random)
        let first = Int.random(in: 0..<job.taskCount, using: &random)
        let dropped = chance(30) ? [first..<min(first + 2, job.taskCount)] : []
        apply(.jobRenewed(id, job.spec, taskCount: count, dropped: dropped))
    }

    private mutating func steerSome(withFaults: Bool) {
        guard let id = server.active.randomElement(using: &random) else { return }
        if withFaults, chance(50) {
            let steering: JobSteering? = JobSteering.allCases.randomElement(using: &random)
            return apply(.jobSteered(id, steering ?? .release))
        }
        let settings: [JobSetting] = [
            .parallel(chance(50) ? Int.random(in: 1...4, using: &random) : nil),
            .priority(Priority(Int.random(in: -5...5, using: &random))),
            .time(chance(50) ? 5000 : nil, overMedian: chance(30) ? 2 : nil),
            .total(chance(20) ? 60_000 : nil), .failures(chance(20) ? .count(5) : nil),
        ]
        apply(.jobSet(id, settings))
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
        apply(.retryRequested(TaskSelection(job: id), [.failed, .lost, .cancelled, .stopped]))
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
                    !succeeded.contains(TaskID(job: job.id, index: index))
                {
                    violations.append("\(job.id)_\(index) succeeded without having run to its end")
                }
            }
            if counts != job.counts {
                violations.append("job \(job.id) counts \(job.counts), has \(counts)")
            }
        }
        for (id, count) in acknowledgedJobs where server.job(id)?.counts.total ?? 0 < count {
            violations.append("job \(id) is not whole")
        }
        checkResources()
    }

    /// Every CPU is free or in one lane.
    mutating func checkResources() {
        for name in names {
            guard let own = server.nodes[name], let room = server.pool[name]?.resources,
                room.cpuCount > 0
            else { continue }
            var cpus = room.freeCPUs
            for lane in own.lanes { cpus += server.lanes[lane]?.placement.cpus ?? [] }
            if cpus.sorted() != [0, 1, 2, 3] {
                violations.append("CPUs of \(name) are accounted as \(cpus)")
            }
        }
        for (id, lane) in server.lanes
        where lane.tasks.isEmpty
            || server.nodes[lane.placement.node]?.lanes.contains(id) != true
        {
            violations.append("lane \(id) is left over")
        }
    }
}

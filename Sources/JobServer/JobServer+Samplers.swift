internal import FoundationEssentials
internal import JobModel
internal import LinuxSystem
internal import Scheduling
internal import StateStore

// Samplers: started when a job wants its first point, asked for one at a time, told of every end; a new process is told all again.

/// Of one job.
struct OpenSampler {
    /// Nil while it is being started, or rests after it ended.
    var process: SamplerLine?
    /// Of this job's processes; a former one's last words are void.
    var number = 0
    var isBusy = false
    /// A point is on its way.
    var isAsked = false
    /// In a row, without a point.
    var failures = 0
    /// Tasks whose end this process knows.
    var told: Set<Int> = []
    /// Ends that came while it was being started.
    var late: [(Int, TaskState, [String: Double])] = []
}

extension JobServer {
    /// Ends of its process without a point in between, after which the job fails.
    private static let mostFailures = 5

    /// Asks where points are wanted, and lets go of samplers whose jobs have ended.
    func steerSamplers() {
        guard !isEnding else { return }
        for id in samplers.keys where state.job(id)?.isFinal ?? true { samplers[id] = nil }
        for id in state.sampledJobs where state.job(id)?.wantsPoint == true { ask(id) }
    }

    private func ask(_ id: JobID) {
        var sampler = samplers[id] ?? OpenSampler()
        defer { samplers[id] = sampler }
        guard !sampler.isAsked, !sampler.isBusy else { return }
        guard let process = sampler.process else {
            sampler.isBusy = true
            pace.start { await self.startSampler(id) }
            return
        }
        guard let job = state.job(id), let sample = job.spec.sweep.sample else { return }
        sampler.isAsked = true
        process.send(Self.line(.ask(job.points, seed: sample.seed(of: job.points))))
    }

    /// Tells the sampler of a final end, where there is one.
    func tellSampler(_ task: TaskID, _ state: TaskState, _ metrics: [String: Double]) {
        guard state.isFinal, let sampler = samplers[task.job] else { return }
        if let process = sampler.process {
            guard samplers[task.job]?.told.insert(task.index).inserted == true else { return }
            process.send(Self.line(.tell(task.index, state, metrics)))
        } else if sampler.isBusy {
            samplers[task.job]?.late.append((task.index, state, metrics))
        }
    }

    private func startSampler(_ id: JobID) async {
        do {
            // What it is told of from the rows has to be in them.
            try await settle()
        } catch {
            // Nothing can be written: it is looked at again as soon as something can.
            samplers[id]?.isBusy = false
            return
        }
        do {
            let rows = try await knownPoints(of: id)
            guard samplers[id]?.isBusy == true, !isEnding, let job = state.job(id), !job.isFinal,
                let sample = job.spec.sweep.sample, let sampler = sample.sampler
            else { return }
            let number = (samplers[id]?.number ?? 0) + 1
            let process = try seams.openSampler(
                sampler, directories.jobDirectory(id.rawValue) + "/sampler.log"
            ) { [inbox] event in inbox.post(.sampler(id, number, event)) }
            process.send(Self.line(.hello(sample, job.spec.metrics)))
            for (index, point) in rows.points.enumerated() {
                process.send(Self.line(.known(index, point)))
            }
            samplers[id]?.number = number
            samplers[id]?.process = process
            samplers[id]?.isBusy = false
            samplers[id]?.told = []
            let late = samplers[id]?.late ?? []
            samplers[id]?.late = []
            for row in rows.ended {
                tellSampler(TaskID(job: id, index: row.index), row.state, row.metrics)
            }
            for (index, state, metrics) in late {
                tellSampler(TaskID(job: id, index: index), state, metrics)
            }
            steerSamplers()
        } catch {
            samplers[id]?.isBusy = false
            apply([.jobFailed(id, reason: "its sampler could not be started: \(error)")])
        }
    }

    private func knownPoints(of id: JobID) async throws -> (points: [Point], ended: [TaskRow]) {
        guard let store else { return ([], []) }
        return try await read { () throws(StoreError) in
            let rows = try store.tasks(of: id).rows.filter(\.state.isFinal)
            // In the order in which they ended, as they were told.
            let ended = rows.sorted {
                ($0.ended?.milliseconds ?? 0, $0.index) < ($1.ended?.milliseconds ?? 0, $1.index)
            }
            return (try store.points(of: id), ended)
        }
    }

    // MARK: What it says

    func take(
        _ event: SamplerProcess.Event, ofSampler id: JobID, _ number: Int,
        _ events: inout [ServerEvent]
    ) {
        guard samplers[id]?.number == number, let job = state.job(id), !job.isFinal else { return }
        switch event {
        case .line(let bytes): take(bytes, of: job, &events)
        case .ended(let status): samplerEnded(id, status, &events)
        }
    }

    private func take(_ line: [UInt8], of job: JobRecord, _ events: inout [ServerEvent]) {
        guard samplers[job.id]?.isAsked == true, let sample = job.spec.sweep.sample,
            let answer = try? JSONDecoder().decode(SamplerAnswer.self, from: Data(line)),
            answer.point == job.points
        else { return refuse(line, of: job.id, "is no answer to what it was asked", &events) }
        samplers[job.id]?.isAsked = false
        samplers[job.id]?.failures = 0
        if answer.done == true { return events.append(.pointsOver(job.id)) }
        guard let point = answer.point(of: sample.space) else {
            let names = sample.space.map(\.name).joined(separator: ", ")
            return refuse(line, of: job.id, "has not the parameters \(names)", &events)
        }
        expansions[job.id]?.give(point)
        events.append(.pointGiven(job.id, answer.point))
    }

    private func refuse(
        _ line: [UInt8], of id: JobID, _ why: String, _ events: inout [ServerEvent]
    ) {
        let text = String(decoding: line.prefix(200), as: UTF8.self)
        events.append(.jobFailed(id, reason: "its sampler said \(text), which \(why)"))
    }

    private func samplerEnded(_ id: JobID, _ status: Int32, _ events: inout [ServerEvent]) {
        samplers[id]?.process = nil
        samplers[id]?.isAsked = false
        samplers[id]?.failures += 1
        let failures = samplers[id]?.failures ?? 0
        let log = directories.jobDirectory(id.rawValue) + "/sampler.log"
        guard state.job(id)?.lacksPoints == true else { return }
        note("the sampler of job \(id) ended with \(status)")
        guard failures < Self.mostFailures else {
            // Without a log there is nothing to quote.
            let text = (try? Files.text(log)) ?? ""
            let last = text.split(separator: "\n").last.map { ": \($0.prefix(300))" } ?? ""
            return events.append(
                .jobFailed(
                    id, reason: "its sampler ended with status \(status)\(last) (see \(log))"))
        }
        samplers[id]?.isBusy = true
        pace.start { [weak self, pace] in
            // Cut short it only tries earlier.
            try? await pace.sleep(100 << failures)
            await self?.startSampler(id)
        }
    }

    private static func line(_ word: SamplerWord) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Finite numbers and texts alone: it encodes.
        return ((try? encoder.encode(word)).map(Array.init) ?? []) + [UInt8(ascii: "\n")]
    }

    /// With the points that a sampler gave.
    func expansion(of id: JobID, _ spec: JobSpec) async throws(ErrorReport) -> SweepExpansion {
        var expansion = try await SubmitCheck.points(of: spec)
        guard spec.sweep.sample?.sampler != nil, let store else { return expansion }
        for point in try await read({ () throws(StoreError) in try store.points(of: id) }) {
            expansion.give(point)
        }
        return expansion
    }
}

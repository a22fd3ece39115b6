import JobModel

@testable import JobServer

/// A night that nobody planned: people, nodes and deaths of the server, driven by one random number after the other.
struct WholeRandomNight {
    let world: WholeWorld
    private var random: SplitMix
    private var jobs: [JobID] = []
    private var submits: [(name: String, request: SubmitRequest)] = []
    /// Tasks fare better towards the morning, so that there is an end.
    private final class Weather: @unchecked Sendable {
        // Touched by the thread that drives it alone.
        var isCalm = false
        private var random: SplitMix

        init(seed: UInt64) { random = SplitMix(seed: ~seed) }

        func strikes(_ percent: Int) -> Bool {
            !isCalm && Int.random(in: 0..<100, using: &random) < percent
        }
    }
    private let weather: Weather

    init(seed: UInt64) {
        world = WholeWorld()
        random = SplitMix(seed: seed)
        weather = Weather(seed: seed)
        world.strikes = { [weather] in weather.strikes($0) }
        let work = { [unowned world, weather] (job: String, task: RunTask, node: String) in
            let runs = world.runs(of: task.attempt.task)
            return Self.work(seed, job, task, runs: runs, isCalm: weather.isCalm)
        }
        world.nodes = ["local", "far", "away"].map { WholeNode($0, cpus: 2, work: work) }
    }

    private static func work(
        _ seed: UInt64, _ job: String, _ task: RunTask, runs: Int, isCalm: Bool
    ) -> WholeWork {
        let id = task.attempt.task
        var random = SplitMix(
            seed: SplitMix.mix(seed ^ UInt64(id.job.rawValue) << 32)
                ^ UInt64(id.index) << 16 ^ UInt64(runs) << 8 ^ UInt64(task.gang?.rank ?? 0))
        var work = WholeWork(length: Int64.random(in: 500...200_000, using: &random))
        let loss = Double.random(in: 0...1, using: &random)
        work.metrics = ["loss": loss]
        if job.hasPrefix("search") {
            for rung in 0..<Int.random(in: 0...4, using: &random) {
                let moment = work.length * Int64(rung + 1) / 6
                work.rungs.append((after: moment, value: loss / Double(rung + 1)))
            }
        }
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<10: work.status = .code(1)
        case 10..<18: work.status = .code(75)
        case 18..<22:
            work.status = .signal(9)
            work.outOfMemory = true
        case 22..<26 where !isCalm:
            work.status = .startFailure(step: "mount", subject: "/x", errno: 5)
        default: break
        }
        return work
    }

    // MARK: The night

    mutating func run() {
        for node in world.nodes.dropFirst() { add(node) }
        for _ in 0..<Int.random(in: 20...60, using: &random) where world.violations.isEmpty {
            act()
            if chance(70) { world.pass(Int64.random(in: 0...90_000, using: &random)) }
        }
        weather.isCalm = true
        rest()
        world.awaitEnds()
    }

    private func add(_ node: WholeNode) {
        var spec = NodeSpec(name: node.name, destination: node.name)
        spec.lease = 0
        let added = spec
        world.client("nodes add \(node.name)") { try await $0.addNodes([added]) }
    }

    /// Whoever takes a node away while it runs tasks has them ended there, and so sees that it is connected.
    private func remove(_ node: WholeNode) {
        for _ in 0..<20 {
            world.pass(0)
            guard node.isConnected else { return }
            let name = node.name
            if world.call("nodes rm", { try await $0.removeNode(name, force: true) }) != nil {
                return
            }
        }
    }

    /// What would be waited for until somebody comes is seen to.
    private func rest() {
        for job in jobs {
            world.client("release", mayBeRefused: true) { try await $0.steer([job], .release) }
        }
        for node in world.nodes.dropFirst() {
            let name = node.name
            add(node)
            world.client("undrain") { try await $0.undrainNode(name) }
        }
        world.client("undrain") { try await $0.undrainNode(await $0.localName) }
    }

    private mutating func chance(_ percent: Int) -> Bool {
        Int.random(in: 0..<100, using: &random) < percent
    }

    private mutating func act() {
        let node = world.nodes.randomElement(using: &random)
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<25: submit()
        case 25..<30: submitAgain()
        case 30..<36: cancel()
        case 36..<48: steer()
        case 48..<56: set()
        case 56..<64: retry()
        case 64..<70: grow()
        case 70..<75: node?.cut()
        case 75..<78: node?.restartAgent()
        case 78..<80:
            _ = node?.killLauncher(world.now)
        case 80..<83: drain(node)
        case 83..<85:
            if let node, node.name != "local" { chance(50) ? remove(node) : add(node) }
        case 85..<87: world.stop()
        default: world.kill(after: Int.random(in: 1...30, using: &random))
        }
        world.thread.drain()
    }

    // MARK: What people do

    private mutating func submit() {
        let kind = ["plain", "plain", "search", "sampled"].randomElement(using: &random) ?? ""
        let name = "\(kind) \(submits.count + 1)"
        var spec = JobSpec(name: name, image: "host", command: ["true"])
        let count = Int.random(in: 1...6, using: &random)
        if chance(20) { spec.image = "registry/image:tag" }
        policies(&spec)
        if kind == "sampled" {
            let x = SampleSection.Dimension(name: "x", distribution: .int(0, 1 << 24))
            var sample = SampleSection(method: .external, count: count, seed: 7, space: [x])
            sample.sampler = ExternalSampler(
                command: ["a"], directory: world.folder, parallel: chance(50) ? 1 : 3)
            spec.sweep.sample = sample
        } else {
            spec.sweep.grid = [.init(name: "i", values: .range(first: 1, last: Int64(count)))]
            if chance(15) { spec.resources.nodes = 2 }
        }
        if kind == "search" {
            var search = SearchPolicy(
                chance(50) ? .asha : .median, MetricGoal(name: "loss", direction: .min))
            search.reduction = 2
            search.peers = 1
            spec.search = search
        }
        if let former = jobs.randomElement(using: &random), chance(35) {
            let isEach = kind != "sampled" && chance(30)
            let condition: Dependency.Condition = isEach ? .each : chance(50) ? .ok : .any
            spec.after = [.init(condition: condition, job: "\(former)")]
        }
        let request = SubmitRequest(spec: spec, source: name, key: name)
        submits.append((name, request))
        ask(request, name)
    }

    private mutating func ask(_ request: SubmitRequest, _ name: String) {
        // Sizes that do not fit are refused.
        let id = world.client("submit \(name)", mayBeRefused: true) {
            try await $0.submit(request).id
        }
        if let id, !jobs.contains(id) { jobs.append(id) }
    }

    /// Whoever did not hear the answer asks once more.
    private mutating func submitAgain() {
        guard let (name, request) = submits.randomElement(using: &random) else { return }
        ask(request, name)
    }

    private mutating func policies(_ spec: inout JobSpec) {
        spec.resources.memory = 1 << 30
        spec.retry.attempts = Int.random(in: 1...4, using: &random)
        if chance(30) { spec.retry.on = [.exit(75), .outOfMemory, .nodeLost] }
        if chance(40) { spec.retry.backoff = .init(initial: 5000, jitter: 0.5) }
        if chance(40) { spec.retry.memoryFactor = 2 }
        if chance(20) { spec.retry.excludeNode = [.failed] }
        if chance(30) { spec.limits.parallel = 2 }
        if chance(15) { spec.limits.failures = .count(2) }
        if chance(15) { spec.limits.total = 400_000 }
        if chance(20) { spec.group = JobGroup(name: "licence", parallel: 1) }
        if chance(10) { spec.start = Timestamp(milliseconds: world.now + 120_000) }
        guard chance(50) else { return }
        spec.notify = Notification(on: [.finished, .failed, .firstFailure], run: "tell")
    }

    private mutating func cancel() {
        guard let id = jobs.randomElement(using: &random) else { return }
        let first = Int.random(in: 0..<6, using: &random)
        let ranges = chance(50) ? nil : [first..<first + 2]
        world.client("cancel \(id)", mayBeRefused: true) {
            try await $0.cancel([TaskSelection(job: id, ranges: ranges)])
        }
    }

    private mutating func steer() {
        guard let id = jobs.randomElement(using: &random),
            let steering = JobSteering.allCases.randomElement(using: &random)
        else { return }
        world.client("\(steering) \(id)", mayBeRefused: true) {
            try await $0.steer([id], steering)
        }
    }

    private mutating func set() {
        guard let id = jobs.randomElement(using: &random) else { return }
        let settings: [JobSetting] = [
            .parallel(chance(50) ? Int.random(in: 1...4, using: &random) : nil),
            .priority(Priority(Int.random(in: -5...5, using: &random))),
        ]
        world.client("set \(id)", mayBeRefused: true) { try await $0.set([id], settings) }
    }

    private mutating func retry() {
        guard let id = jobs.randomElement(using: &random) else { return }
        world.client("retry \(id)", mayBeRefused: true) {
            try await $0.retry([TaskSelection(job: id)])
        }
    }

    /// The same spec with more points, or with fewer.
    private mutating func grow() {
        guard let (name, request) = submits.randomElement(using: &random) else { return }
        var spec = request.spec
        guard spec.sweep.sample == nil else { return }
        let count = Int64.random(in: 1...8, using: &random)
        spec.sweep.grid = [.init(name: "i", values: .range(first: 1, last: count))]
        let resumed = ResumeRequest(spec: spec, source: "more", consents: true)
        world.client("resume \(name)", mayBeRefused: true) { try await $0.resume(resumed) }
    }

    private mutating func drain(_ node: WholeNode?) {
        guard let node, node.name != "local" else { return }
        let (name, isOver) = (node.name, chance(50))
        let requeues = chance(50)
        world.client(isOver ? "undrain" : "drain", mayBeRefused: true) { server in
            if isOver {
                try await server.undrainNode(name)
            } else {
                try await server.drainNode(name, reason: "test", requeue: requeues)
            }
        }
    }
}

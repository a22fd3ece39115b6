import Foundation
import GRDB
import JobModel

@testable import JobServer

/// A night with something of everything, told step by step.
struct WholeNight {
    let world: WholeWorld

    init(deaths: Set<Int> = []) {
        world = WholeWorld(deaths: deaths)
        let work = { [unowned world] job, task, node in
            Self.work(job, task, node, runs: world.runs(of: task.attempt.task))
        }
        world.nodes = [("local", 2), ("far", 2), ("bad", 2)].map {
            WholeNode($0.0, cpus: $0.1, work: work)
        }
    }

    // MARK: What tasks do

    private static func work(_ job: String, _ task: RunTask, _ node: String, runs: Int) -> WholeWork
    {
        let index = task.attempt.task.index
        var work = WholeWork(length: 60_000 + Int64(index) * 7001 + Int64(runs) * 1003)
        work.metrics = ["loss": Double(index) / 8]
        if node == "bad" {
            work.status = .startFailure(step: "mount", subject: "/x", errno: 5)
            return work
        }
        switch (job, index) {
        case ("prepare", 1) where runs < 2: work.status = .code(75)
        case ("prepare", 2) where task.memory ?? 0 < 2 << 30:
            work.status = .signal(9)
            work.outOfMemory = true
        case ("prepare", 3) where runs == 0, ("grow", 1) where runs == 0: work.status = .code(1)
        case ("search", _):
            // Of six tasks the third is the best and the second the worst.
            let loss = Double((index * 5 + 3) % 7) / 8
            for rung in 0..<4 {
                let moment = 10_000 * Int64(rung + 1) + Int64(index)
                work.rungs.append((after: moment, value: loss / Double(rung + 1)))
            }
            work.metrics = ["loss": loss]
        case ("sampled", _):
            if case .int(let x)? = task.point.parameters.first?.value {
                work.metrics = ["loss": Double(x % 1000) / 1000]
                work.length = 60_000 + x % 977
            }
        default: break
        }
        return work
    }

    // MARK: What people do

    @discardableResult
    private func submit(
        _ name: String, _ tasks: Int, image: String = "host",
        _ change: (inout JobSpec) -> Void = { _ in }
    ) -> JobID? {
        var spec = JobSpec(name: name, image: image, command: ["true"])
        if tasks > 0 {
            spec.sweep.grid = [.init(name: "i", values: .range(first: 1, last: Int64(tasks)))]
        }
        change(&spec)
        let request = SubmitRequest(spec: spec, source: "text", key: name)
        return world.client("submit \(name)") { try await $0.submit(request).id }
    }

    func run() {
        world.client("nodes add far") { try await $0.addNodes([Self.machine("far")]) }
        chain()
        steering()
        search()
        sampling()
        badNode()
        resuming()
        world.awaitEnds()
        endRepetition()
    }

    private static func machine(_ name: String) -> NodeSpec {
        var spec = NodeSpec(name: name, destination: name)
        spec.lease = 0
        return spec
    }

    /// Dependencies, retry by cause with backoff and more memory, notifications, a repeated submit, a job that comes again.
    private func chain() {
        let change: (inout JobSpec) -> Void = { spec in
            spec.retry.attempts = 3
            spec.retry.on = [.exit(75), .outOfMemory]
            spec.retry.backoff = .init(initial: 10_000, jitter: 0.5)
            spec.retry.memoryFactor = 2
            spec.resources.memory = 1 << 30
            spec.notify = Notification(on: [.finished, .failed, .firstFailure], run: "tell")
        }
        let first = submit("prepare", 4, image: "registry/image:tag", change)
        if submit("prepare", 4, image: "registry/image:tag", change) != first {
            world.violate("a repeated key gave another job")
        }
        submit("each", 4) { $0.after = [.init(condition: .each, job: "prepare")] }
        submit("any", 1) { spec in
            spec.after = [.init(condition: .any, job: "prepare")]
            spec.notify = Notification(on: [.finished], run: "tell")
        }
        submit("ok", 2) { $0.after = [.init(condition: .ok, job: "each")] }
        submit("last", 1) { $0.after = [.init(condition: .ok, job: "any")] }
        submit("nightly", 1) { spec in
            spec.repetition = try? RepeatRule("*/10 * * * *")
        }
        world.awaitEnds(["prepare", "each", "any", "ok", "last"])
        if let first {
            world.client("retry prepare") { try await $0.retry([TaskSelection(job: first)]) }
        }
        world.awaitEnds(["prepare"])
    }

    /// A shared limit, hold and release, another parallel, a cancel, a task on two nodes.
    private func steering() {
        for name in ["left", "right"] {
            submit(name, 2) { $0.group = JobGroup(name: "licence", parallel: 1) }
        }
        world.awaitEnds(["left", "right"])
        if let job = submit("steered", 6, { $0.limits.parallel = 1 }) {
            world.pass(10_000)
            world.client("hold") { try await $0.steer([job], .hold) }
            world.pass(200_000)
            world.client("set") { try await $0.set([job], [.parallel(3)]) }
            world.client("release") { try await $0.steer([job], .release) }
            world.pass(10_000)
            world.client("pause") { try await $0.steer([job], .pause) }
            world.pass(5000)
            world.client("go on") { try await $0.steer([job], .release) }
            world.client("cancel") {
                try await $0.cancel([TaskSelection(job: job, ranges: [3..<6])])
            }
        }
        submit("gang", 1) { $0.resources.nodes = 2 }
        world.awaitEnds(["steered", "gang"])
    }

    private func search() {
        submit("search", 6) { spec in
            var search = SearchPolicy(.asha, MetricGoal(name: "loss", direction: .min))
            search.reduction = 2
            spec.search = search
            spec.notify = Notification(on: [.finished], run: "tell")
        }
        world.awaitEnds(["search"])
    }

    private func sampling() {
        let folder = world.folder
        submit("sampled", 0) { spec in
            let x = SampleSection.Dimension(name: "x", distribution: .int(0, 1 << 24))
            var sample = SampleSection(method: .external, count: 5, seed: 7, space: [x])
            sample.sampler = ExternalSampler(command: ["a"], directory: folder, parallel: 2)
            spec.sweep.sample = sample
            spec.metrics = [MetricGoal(name: "loss", direction: .min)]
        }
        world.awaitEnds(["sampled"])
    }

    /// A node on which nothing starts is taken out.
    private func badNode() {
        world.client("nodes add bad") { try await $0.addNodes([Self.machine("bad")]) }
        submit("patient", 8) { $0.retry.attempts = 40 }
        world.awaitEnds(["patient"])
    }

    private func resuming() {
        submit("grow", 3)
        world.awaitEnds(["grow"])
        var spec = JobSpec(name: "grow", image: "host", command: ["true"])
        spec.sweep.grid = [.init(name: "i", values: .range(first: 1, last: 5))]
        let request = ResumeRequest(spec: spec, source: "more", consents: false)
        world.client("resume") { try await $0.resume(request) }
        world.awaitEnds(["grow"])
    }

    /// One of them waits for its time; then nobody wants it any more.
    private func endRepetition() {
        let live = world.rows(
            "SELECT id FROM jobs WHERE name = 'nightly' AND ended IS NULL"
        ) { JobID($0["id"]) }
        if live.count != 1 { world.violate("\(live.count) of the repeated jobs are live") }
        for id in live {
            world.client("cancel nightly") { try await $0.cancel([TaskSelection(job: id)]) }
        }
        world.awaitEnds(["nightly"])
    }
}

import ArgumentParser
import Foundation
import JobModel
import LinuxSystem
import SpecFile

/// The spec of a job: a file, flags, or flags laid over a file.
struct SpecOptions: ParsableArguments {
    @Argument(
        help: "The spec, YAML or JSON; `-` reads standard input.",
        completion: .file(extensions: ["yaml", "yml", "json"]))
    var spec: String?

    @Argument(
        parsing: .postTerminator, help: "The command, with {parameter} placeholders, after --.")
    var command: [String] = []

    @Option(help: "Name of the job.") var name: String?
    @Option(
        help: "Image reference, OCI layout, archive or directory; or `host`.",
        completion: Completions.images) var image: String?
    @Option(help: "Entry point in place of the image's.") var entrypoint: String?
    @Option(help: "Shell script in place of a command.") var script: String?
    @Option(help: "Working directory in the container.") var workdir: String?
    @Option(help: "User in the container: name, uid, uid:gid.") var user: String?
    @Option(help: "Host name in the container.") var hostname: String?
    @Option(help: "host (the default) or private.") var network: String?
    @Option(
        name: .shortAndLong,
        help: "[ADDRESS:][HOST]:TASK[/udp], reached on the node; without HOST any free port.")
    var publish: [String] = []
    @Flag(name: .customLong("init"), help: "Run an init as PID 1 that reaps and forwards signals.")
    var withInit = false
    @Flag(help: "Make the container's root read-only.") var readOnly = false
    @Option(
        help: "unconfined, default, or a seccomp profile in Docker's JSON format.",
        completion: .file(extensions: ["json"])) var seccomp: String?
    @Flag(help: "Let tasks do all that root may do on the node. For root alone.")
    var privileged = false
    @Option(help: "SOURCE:TARGET[:ro], or tmpfs:TARGET[:size].") var mount: [String] = []
    @Option(help: "NAME=VALUE; NAME alone takes it from here.") var env: [String] = []
    @Option(help: "NAME=file:PATH or NAME=env:VARIABLE.") var secret: [String] = []

    @Option(help: "A grid axis: lr=0.1,0.01 or seed=1..5.") var sweep: [String] = []
    @Option(help: "An axis beside the other zipped ones: stage=warm,main.") var zip: [String] = []
    @Option(help: "A sampled dimension: lr=loguniform(1e-5,1e-1).") var sample: [String] = []
    @Option(help: "random, lhs, sobol or external.") var sampleMethod: String?
    @Option(help: "Command of an external sampler: \"python3 -m martlet_optuna\".")
    var sampler: String?
    @Option(help: "Points of an external sampler that may be open at a time.")
    var samplerParallel: String?
    @Option(help: "Number of sampled points.") var samples: String?
    @Option(help: "Seed of the sample.") var seed: String?
    @Option(help: "Points from a CSV or JSON-lines file.", completion: .file()) var from: String?
    @Option(help: "Condition on points: \"width * epochs <= 8192\".") var `where`: String?
    @Option(help: "Points to leave out: \"{width: 256, stage: warm}\".") var exclude: [String] = []
    @Option(help: "Points to add.") var include: [String] = []

    @Option(help: "CPUs of a task, in whole cores; 0 reserves none.") var cpus: String?
    @Option(help: "Memory of a task: 8GiB.") var memory: String?
    @Option(help: "GPUs of a task; 0.5 for half of one, shared by turns.") var gpus: String?
    @Option(help: "Part of the GPUs' model: H100.") var gpuModel: String?
    @Option(help: "Memory of each GPU: 40GiB.., ..24GiB.") var gpuMemory: String?
    @Option(help: "any, or nvlink: each linked with each.") var gpuLink: String?
    @Option(help: "MIG profile: 1g.10gb.") var gpuProfile: String?
    @Option(help: "local, strict, spread or none.") var numa: String?
    @Option(help: "whole cores, or share: threads given singly.") var smt: String?
    @Option(help: "Nodes of a task.") var nodes: String?
    @Option(help: "pack or spread, over nodes.") var packing: String?
    @Flag(help: "Let nothing else run on a task's node.") var exclusive = false
    @Option(help: "NAME=VALUE that a node must have.") var label: [String] = []
    // `--priority -5` is no option of that name.
    @Option(parsing: .unconditional, help: "Served before lower ones, -1000 to 1000.")
    var priority: String?
    @Option(help: "Begin no earlier: 22:00, 2026-11-27T22:00, +90m.") var startAt: String?
    @Option(
        name: .customLong("repeat"),
        help: "Run it again and again: \"0 22 * * *\" as in crontab(5), @daily, @weekly.")
    var repetition: String?
    @Option(help: "Group of jobs with a limit in common.") var group: String?
    @Option(help: "Most tasks at once of all jobs of the group.") var groupParallel: String?
    @Option(help: "Size of /dev/shm.") var shm: String?
    @Option(help: "Most processes of a task.") var pids: String?
    @Option(help: "Time limit of a task: 2h, or \"3x median\" of those that succeeded.")
    var time: String?
    @Option(help: "Time limit of the whole job, from its first task's start: 12h.")
    var totalTime: String?
    @Option(help: "Most tasks at once.") var parallel: String?
    @Option(help: "Failed tasks after which the rest is cancelled: 3 or 10%.") var failures: String?
    @Option(help: "Attempts in all.") var attempts: String?
    @Option(
        help:
            "Cause for a retry: node_lost, out_of_memory, timeout, failed, \"exit 1,64-78\", \"signal SIGBUS\", \"log /x/\"."
    ) var retryOn: [String] = []
    @Option(help: "Cause for which a node is left out from then on: \"log /ECC error/\".")
    var excludeNode: [String] = []
    @Option(help: "Wait before the first retry: 10s.") var backoff: String?
    @Option(help: "How much longer each further wait is, as a factor.") var backoffFactor: String?
    @Option(help: "Longest wait before a retry: 10m.") var backoffMax: String?
    @Option(help: "By how much waits differ by chance, seeded: 20%.") var backoffJitter: String?
    @Option(help: "Memory of the next attempt after running out of it, as a factor.")
    var memoryFactor: String?
    @Option(help: "Time limit of the next attempt after passing it, as a factor.")
    var timeFactor: String?
    @Option(
        help: "Time before --time at which that signal is sent once, to save what there is: 2m.")
    var stopBefore: String?
    @Option(help: "Signal that ends a task.") var stopSignal: String?
    @Option(help: "Time from that signal to SIGKILL.") var grace: String?
    @Option(help: "Files to bring back: \"checkpoints/best*\".") var collect: [String] = []
    @Option(help: "NAME=min or NAME=max.") var metric: [String] = []
    @Option(help: "Where the output has it: val_loss='val_loss=([0-9.eE+-]+)'.")
    var metricLog: [String] = []
    @Option(help: "A file below the results that has it: acc=metrics.json.")
    var metricFile: [String] = []
    @Option(help: "Its place in the file's JSON: acc=eval.acc.") var metricKey: [String] = []
    @Option(help: "asha or median: which running tasks end early, by their metric.")
    var search: String?
    @Option(help: "Metric of the search; without it the first of --metric.")
    var searchMetric: String?
    @Option(help: "Field that counts a task's steps; without it step, or else epoch.")
    var searchStep: String?
    @Option(help: "First step at which a task may be stopped: 1.") var searchMin: String?
    @Option(help: "Step from which on none is stopped: 27.") var searchMax: String?
    @Option(help: "asha: of how many one goes on, and by how much later: 3.")
    var searchReduction: String?
    @Option(help: "median: how many others have to have come as far: 3.") var searchPeers: String?
    @Option(help: "ok:JOB, any:JOB or each:JOB.") var after: [String] = []
    @Option(help: "Command to run when the job has ended.") var notify: String?
    @Option(help: "finished, failed, first_failure, or \"failures 10%\".") var notifyOn: [String] =
        []
    @Option(help: "URL to send a summary to when the job has ended.") var notifyWebhook: String?
    @Option(help: "Address to mail a summary to when the job has ended.") var notifyMail: String?

    /// The job that is meant, and the text it came from.
    func read() throws -> (spec: JobSpec, source: String) {
        let files = FileManager.default
        let here = files.currentDirectoryPath
        var text: String?
        var directory = here
        if let spec {
            do throws(SystemError) {
                text =
                    spec == "-"
                    ? String(decoding: try Files.read(0, spec, limit: 1 << 30), as: UTF8.self)
                    : try Files.text(spec, limit: 1 << 30)
            } catch {
                throw Failure(
                    .usage, "\(error)",
                    hint: "the spec is the first argument; a command comes after --")
            }
            if spec != "-" {
                directory =
                    URL(fileURLWithPath: spec, relativeTo: URL(fileURLWithPath: here))
                    .deletingLastPathComponent().path
            }
        }
        let overrides = try overrides()
        let job = try SpecFile.parse(
            text: text, path: spec == "-" ? "standard input" : spec ?? "command line",
            overrides: overrides, directory: directory,
            workingDirectory: here, home: NSHomeDirectory())
        let flags = overrides.map { "# \($0.origin) \($0.value)\n" }.joined()
        return (job, flags + (text ?? ""))
    }

    private func overrides() throws -> [SpecOverride] {
        var list: [SpecOverride] = []
        func set(
            _ path: String, _ value: String?, _ origin: String, _ form: SpecOverride.Form = .text
        ) {
            if let value {
                list.append(
                    SpecOverride(
                        path.split(separator: ".").map(String.init), value, origin: origin,
                        form: form))
            }
        }
        func append(
            _ path: String, _ values: [String], _ origin: String, _ form: SpecOverride.Form = .text
        ) {
            for value in values {
                list.append(
                    SpecOverride(
                        path.split(separator: ".").map(String.init), value, origin: origin,
                        form: form, mode: .append))
            }
        }
        func pairs(
            _ path: [String], _ values: [String], _ origin: String, _ form: SpecOverride.Form,
            key: String? = nil
        ) throws {
            for value in values {
                guard let equals = value.firstIndex(of: "="), equals > value.startIndex else {
                    throw Failure(.usage, "\(origin) \(value): write NAME=VALUE")
                }
                list.append(
                    SpecOverride(
                        path + [String(value[..<equals])] + (key.map { [$0] } ?? []),
                        String(value[value.index(after: equals)...]), origin: origin, form: form))
            }
        }
        for (path, value) in [
            ("name", name), ("image", image), ("script", script), ("workdir", workdir),
            ("user", user), ("hostname", hostname), ("network", network), ("seccomp", seccomp),
        ] { set(path, value, "--" + path) }
        set("entrypoint", entrypoint, "--entrypoint")
        if withInit { set("init", "true", "--init") }
        if readOnly { set("read_only", "true", "--read-only") }
        if privileged { set("privileged", "true", "--privileged") }
        append("mounts", mount, "--mount")
        append("ports", publish, "--publish")
        let here = ProcessInfo.processInfo.environment
        try pairs(
            ["env"],
            env.map {
                $0.contains("=") ? $0 : $0 + "=" + Placeholders.escaped(here[$0] ?? "")
            }, "--env", .text)
        for value in secret { list.append(try secretOverride(value)) }

        try pairs(["sweep", "grid"], sweep, "--sweep", .values)
        try pairs(["sweep", "zip"], zip, "--zip", .values)
        try pairs(["sweep", "sample", "space"], sample, "--sample", .text)
        set("sweep.sample.method", sampleMethod, "--sample-method")
        set("sweep.sample.command", sampler, "--sampler")
        set("sweep.sample.parallel", samplerParallel, "--sampler-parallel")
        set("sweep.sample.count", samples, "--samples")
        set("sweep.sample.seed", seed, "--seed")
        set("sweep.from", from, "--from")
        set("sweep.where", `where`, "--where")
        append("sweep.exclude", exclude, "--exclude", .yaml)
        append("sweep.include", include, "--include", .yaml)

        for (path, value, origin) in [
            ("resources.cpus", cpus, "--cpus"), ("resources.memory", memory, "--memory"),
            ("resources.gpus", gpus, "--gpus"), ("resources.gpus.model", gpuModel, "--gpu-model"),
            ("resources.gpus.memory", gpuMemory, "--gpu-memory"),
            ("resources.gpus.link", gpuLink, "--gpu-link"),
            ("resources.gpus.profile", gpuProfile, "--gpu-profile"),
            ("resources.numa", numa, "--numa"), ("resources.smt", smt, "--smt"),
            ("resources.nodes", nodes, "--nodes"), ("resources.packing", packing, "--packing"),
            ("resources.exclusive", exclusive ? "true" : nil, "--exclusive"),
            ("start", startAt, "--start-at"), ("repeat", repetition, "--repeat"),
            ("group.name", group, "--group"),
            ("group.parallel", groupParallel, "--group-parallel"),
            ("priority", priority, "--priority"), ("resources.shm", shm, "--shm"),
            ("resources.pids", pids, "--pids"),
            ("limits.time", time, "--time"), ("limits.total", totalTime, "--total-time"),
            ("limits.parallel", parallel, "--parallel"),
            ("limits.failures", failures, "--failures"),
            ("retry.attempts", attempts, "--attempts"),
            ("retry.backoff.initial", backoff, "--backoff"),
            ("retry.backoff.factor", backoffFactor, "--backoff-factor"),
            ("retry.backoff.max", backoffMax, "--backoff-max"),
            ("retry.backoff.jitter", backoffJitter, "--backoff-jitter"),
            ("retry.memory_factor", memoryFactor, "--memory-factor"),
            ("retry.time_factor", timeFactor, "--time-factor"),
            ("stop.before", stopBefore, "--stop-before"),
            ("stop.signal", stopSignal, "--stop-signal"),
            ("stop.grace", grace, "--grace"),
            ("search.method", search, "--search"),
            ("search.metric", searchMetric, "--search-metric"),
            ("search.step", searchStep, "--search-step"),
            ("search.min", searchMin, "--search-min"), ("search.max", searchMax, "--search-max"),
            ("search.reduction", searchReduction, "--search-reduction"),
            ("search.peers", searchPeers, "--search-peers"),
        ] { set(path, value, origin) }
        try pairs(["resources", "labels"], label, "--label", .text)
        append("retry.on", retryOn, "--retry-on")
        append("retry.exclude_node", excludeNode, "--exclude-node")
        append("collect", collect, "--collect")
        try pairs(["metrics"], metric, "--metric", .text)
        try pairs(["metrics"], metricLog, "--metric-log", .text, key: "log")
        try pairs(["metrics"], metricFile, "--metric-file", .text, key: "file")
        try pairs(["metrics"], metricKey, "--metric-key", .text, key: "key")
        for value in after {
            let parts = value.split(separator: ":", maxSplits: 1).map(String.init)
            guard parts.count == 2 else {
                throw Failure(.usage, "--after \(value): write ok:JOB, any:JOB or each:JOB")
            }
            append("after." + parts[0], [parts[1]], "--after")
        }
        set("notify.run", notify, "--notify")
        set("notify.webhook", notifyWebhook, "--notify-webhook")
        set("notify.mail", notifyMail, "--notify-mail")
        append("notify.on", notifyOn, "--notify-on")
        if !command.isEmpty {
            set("command", "[]", "--", .yaml)
            append("command", command, "--")
        }
        return list
    }

    private func secretOverride(_ value: String) throws -> SpecOverride {
        let parts = value.split(separator: "=", maxSplits: 1).map(String.init)
        let source =
            parts.count == 2 ? parts[1].split(separator: ":", maxSplits: 1).map(String.init) : []
        guard source.count == 2, ["file", "env"].contains(source[0]) else {
            throw Failure(
                .usage, "--secret needs NAME=file:PATH or NAME=env:VARIABLE",
                hint: "a value on the command line is seen by everybody on this machine")
        }
        return SpecOverride(["secrets", parts[0], source[0]], source[1], origin: "--secret")
    }
}

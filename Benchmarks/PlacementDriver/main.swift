import Foundation
import JobModel
import Scheduling

/// Bytes of memory that this process holds (statm of proc(5), in pages).
func resident() -> Int {
    guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else {
        return 0
    }
    let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
}

/// Bytes for each task of a job that waits, the whole server state counted, all tasks touched once.
func memoryPerTask(_ count: Int) -> [String: Any] {
    let before = resident()
    var state = ServerState()
    var spec = JobSpec(name: "job", image: "host", command: ["true"])
    spec.resources = Load.request(1)
    _ = state.apply(
        .submitted(
            NewJob(
                id: JobID(1), spec: spec, taskCount: count, submitted: Timestamp(milliseconds: 1))),
        now: Timestamp(milliseconds: 1))
    let ranges = [0..<count]
    _ = state.apply(
        .cancelRequested(TaskSelection(job: JobID(1), ranges: ranges)),
        now: Timestamp(milliseconds: 2))
    _ = state.apply(
        .retryRequested(TaskSelection(job: JobID(1), ranges: ranges), [.cancelled]),
        now: Timestamp(milliseconds: 3))
    let bytes = Double(resident() - before) / Double(count)
    return [
        "tasks": count, "bytes_per_task": bytes, "queued": state.job(JobID(1))?.counts.queued ?? 0,
    ]
}

let arguments = CommandLine.arguments.dropFirst()
let isShort = arguments.contains("--short")
let questions: [(String, () -> Any)] = [
    ("decisions", { Speed.decisions() }), ("nodes", { Speed.nodes() }),
    ("tasks", { Speed.tasks() }), ("jobs", { Speed.jobs() }),
    ("memory", { memoryPerTask(1_000_000) }),
    (
        "million",
        { Speed.million(tasks: isShort ? 100_000 : 1_000_000, nodes: isShort ? 100 : 1000) }
    ),
    ("quality", { Quality.table(rounds: isShort ? 10 : 100) }),
    ("optimum", { Optimum.table(rounds: isShort ? 10 : 100) }),
    ("makespan", { ShortestMakespan.table(rounds: isShort ? 5 : 50) }),
]
let wanted = Set(arguments.filter { !$0.hasPrefix("-") })
for (name, answer) in questions where wanted.isEmpty || wanted.contains(name) {
    let line = try JSONSerialization.data(
        withJSONObject: ["question": name, "answer": answer()], options: [.sortedKeys])
    print(String(decoding: line, as: UTF8.self))
}

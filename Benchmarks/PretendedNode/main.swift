import Glibc
import JobModel
import LinuxSystem
import NodeLink

// Stands in for martlet-agent where there are a thousand nodes: speaks as it does, beats as it does, and lets each task last for
// MARTLET_PRETENDED milliseconds by waiting.

/// One node's end of its line: what comes on stdin, what goes to stdout, and the tasks that are yet to end.
struct PretendedNode {
    private let lasting: Int64
    private var (reader, writer) = (FrameReader(), FrameWriter())
    private var ends: [(due: Int64, attempt: AttemptID)] = []
    private var lastSaid = Clock.monotonic()

    init(lasting: Int64) { self.lasting = lasting }

    mutating func run() throws {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let now = Clock.monotonic()
            let next = min(lastSaid + Heartbeat.interval, ends.first?.due ?? .max)
            var poller = pollfd(fd: 0, events: Int16(POLLIN), revents: 0)
            if poll(&poller, 1, Int32(clamping: max(0, next - now))) > 0 {
                let count = try checkErrno(read(0, &buffer, buffer.count), "read")
                guard count > 0 else { return }
                reader.append(buffer[..<count])
                while let frame = try reader.next() {
                    if frame.kind == .message { try take(frame.decode(ToAgent.self)) }
                }
            }
            try endTasks(Clock.monotonic())
            if Clock.monotonic() - lastSaid >= Heartbeat.interval { try say(writer.heartbeat()) }
        }
    }

    private mutating func take(_ message: ToAgent) throws {
        switch message {
        case .hello: try say(writer.message(FromAgent.hello(Self.hello())))
        case .run(let tasks):
            let now = Timestamp(milliseconds: Clock.now())
            let starts = tasks.map {
                StartRecord(
                    attempt: $0.attempt, started: now,
                    enforcement: Enforcement(cpu: "none", memory: "none", pids: "none"))
            }
            try say(writer.message(FromAgent.started(starts)))
            ends += tasks.map { (Clock.monotonic() + lasting, $0.attempt) }
        default: break
        }
    }

    private mutating func endTasks(_ now: Int64) throws {
        let due = ends.prefix { $0.due <= now }
        guard !due.isEmpty else { return }
        let exits = due.map {
            ExitRecord(
                attempt: $0.attempt, status: .code(0), ended: Timestamp(milliseconds: Clock.now()))
        }
        ends.removeFirst(due.count)
        try say(writer.message(FromAgent.exited(exits)))
    }

    private mutating func say(_ bytes: [UInt8]) throws {
        try Files.writeAll(1, bytes, "stdout")
        lastSaid = Clock.monotonic()
    }

    private static func hello() -> AgentHello {
        let inventory = NodeInventory(
            hostname: "pretended-\(getpid())",
            numaNodes: [.init(id: 0, cpus: [0], memory: 1 << 34)], gpus: [])
        return AgentHello(
            agentEpoch: "\(getpid())", launcherEpoch: "1", bootID: "1", inventory: inventory,
            accepted: [], started: [], exited: [])
    }
}

let words = Array(CommandLine.arguments.dropFirst())
switch (words.first, words.count) {
case ("unpack", 3): try AgentBundle.unpack(hash: words[1], into: words[2])
case ("stdio", 3):
    try Files.writeAll(1, "\n\(words[1]) ready\n".utf8, "stdout")
    let lasting = ProcessEnvironment.all()["MARTLET_PRETENDED"].flatMap { Int64($0) } ?? 2000
    var node = PretendedNode(lasting: lasting)
    try node.run()
// The head's own machine has a real one.
case ("serve", _):
    let real = try Daemon.sibling("real-agent")
    var arguments = ([real] + words).map { strdup($0) } + [nil]
    execv(real, &arguments)
    throw SystemError.last("execute", real)
default: exit(2)
}

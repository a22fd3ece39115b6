import Foundation
import JobModel
import LinuxSystem
import NodeLink
import Synchronization

/// Speaks as an agent does, and runs everything at once by doing nothing.
final class PretendedAgent: Sendable {
    private struct State {
        var ran: Set<AttemptID> = []
        var ended: [AttemptID: ExitRecord] = [:]
        var connection: Int32?
        var isStopped = false
    }

    private let state = Mutex(State())
    private let listener: OwnedFD
    private let protocolVersion: Int

    init(_ path: String, protocolVersion: Int = HeadHello.protocolVersion) throws {
        self.protocolVersion = protocolVersion
        // The other end may go at any moment.
        signal(SIGPIPE, SIG_IGN)
        listener = try UnixSocket.listen(path, .stream)
        Thread.detachNewThread { [self] in serve() }
    }

    var ran: Set<AttemptID> { state.withLock { $0.ran } }

    func dropConnection() {
        state.withLock { if let fd = $0.connection { shutdown(fd, Int32(SHUT_RDWR)) } }
    }

    func stop() {
        state.withLock { $0.isStopped = true }
        shutdown(listener.raw, Int32(SHUT_RDWR))
        dropConnection()
    }

    private func serve() {
        while !state.withLock({ $0.isStopped }) {
            guard let fd = try? UnixSocket.accept(listener.raw) else { continue }
            state.withLock { $0.connection = fd.raw }
            // A broken connection is what is tested.
            try? converse(fd.raw)
            state.withLock { $0.connection = nil }
        }
    }

    private func converse(_ fd: Int32) throws {
        var (reader, writer) = (FrameReader(), FrameWriter())
        var buffer = [UInt8](repeating: 0, count: 4096)
        while let (count, _) = try UnixSocket.receive(fd, into: &buffer), count > 0 {
            reader.append(buffer[..<count])
            while let frame = try reader.next() {
                guard frame.kind == .message else { continue }
                for answer in answers(to: try frame.decode(ToAgent.self)) {
                    try Files.writeAll(fd, try writer.message(answer), "socket")
                }
            }
        }
    }

    private func answers(to message: ToAgent) -> [FromAgent] {
        state.withLock { state in
            switch message {
            case .hello:
                var hello = AgentHello(
                    agentEpoch: "1", launcherEpoch: "1", bootID: "1",
                    inventory: NodeInventory(hostname: "h", numaNodes: [], gpus: []), accepted: [],
                    started: [], exited: Array(state.ended.values))
                hello.protocolVersion = protocolVersion
                return [.hello(hello)]
            case .run(let tasks):
                let new = tasks.map(\.attempt).filter { state.ran.insert($0).inserted }
                for id in new {
                    state.ended[id] = ExitRecord(
                        attempt: id, status: .code(0), ended: Timestamp(milliseconds: 1))
                }
                return [.exited(new.compactMap { state.ended[$0] })]
            case .acknowledge(let attempts):
                for id in attempts { state.ended[id] = nil }
                return []
            default: return []
            }
        }
    }
}

/// Passes bytes between two sockets, and cuts every connection after a number of bytes that is drawn anew each time.
final class CuttingRelay: Sendable {
    private struct State {
        var random: Seeded
        var cuts = 0
        var isStopped = false
        var ends: [Int32] = []
    }

    private let state: Mutex<State>
    private let listener: OwnedFD
    private let target: String

    init(from path: String, to target: String, seed: UInt64) throws {
        state = Mutex(State(random: Seeded(seed)))
        self.target = target
        signal(SIGPIPE, SIG_IGN)
        listener = try UnixSocket.listen(path, .stream)
        Thread.detachNewThread { [self] in
            while !state.withLock({ $0.isStopped }) {
                // Either end may have gone already.
                guard let head = try? UnixSocket.accept(listener.raw),
                    let agent = try? UnixSocket.connect(target, .stream)
                else { continue }
                state.withLock { $0.ends = [head.raw, agent.raw] }
                relay(head.raw, agent.raw)
                state.withLock { $0.ends = [] }
            }
        }
    }

    var cuts: Int { state.withLock { $0.cuts } }

    func stop() {
        state.withLock { state in
            state.isStopped = true
            for fd in state.ends + [listener.raw] { shutdown(fd, Int32(SHUT_RDWR)) }
        }
    }

    private func relay(_ head: Int32, _ agent: Int32) {
        // After some cuts the link is left alone, so that every run comes to its end.
        var left = state.withLock { state in
            let most = state.cuts < 3 ? 9_000 : state.cuts < 20 ? 40_000 : Int.max
            return Int.random(in: 1...most, using: &state.random)
        }
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            var pollers = [head, agent].map {
                pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
            }
            guard poll(&pollers, 2, -1) > 0 else { continue }
            for (poller, target) in zip(pollers, [agent, head]) where poller.revents != 0 {
                let count = read(poller.fd, &buffer, min(buffer.count, left))
                guard count > 0, (try? Files.writeAll(target, buffer[..<count], "relay")) != nil
                else { return }
                left -= count
                guard left > 0 else {
                    state.withLock { $0.cuts += 1 }
                    return
                }
            }
        }
    }
}

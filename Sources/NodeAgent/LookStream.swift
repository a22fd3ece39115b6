internal import Glibc
internal import LinuxSystem
internal import NodeLink

/// Answers whether this machine has the head's own directory: ends well where it has. A process of its own looks, since a file server
/// that has gone would keep it waiting, and with it this agent.
final class LookStream: AgentStream {
    private var port: StreamPort?
    private var reason: String??

    init(_ look: SharedLook, program: String, _ loop: EventLoop) throws(SystemError) {
        let command = try AttachedCommand([program, "look", look.path, look.token])
        let socket = command.stdio.raw
        try command.stdio.setNonBlocking()
        // The command is let go at its end alone, however long the head waits: only then nobody has to wait for it.
        try loop.watch(socket, for: .read) { [weak self] _ in
            var buffer = [UInt8](repeating: 0, count: 64)
            let got = try? UnixSocket.receive(socket, into: &buffer)
            if let got, got.count == 0 || self?.reason != nil { loop.forget(socket) }
            let text = String(decoding: buffer.prefix(got?.count ?? 0), as: UTF8.self)
            self?.conclude(text == SharedDirectory.answer)
            _ = command
        }
    }

    private func conclude(_ isSame: Bool) {
        guard reason == nil else { return }
        reason = .some(isSame ? nil : "it is another one here, or none")
        port?.wake()
    }

    func begin(_ port: StreamPort) { self.port = port }
    func next(_ limit: Int) -> StreamPiece { reason.map { .end($0) } ?? .later }
    func headEnded(_ reason: String?) {}
}

internal import Glibc
internal import JobModel
internal import LinuxSystem
internal import Synchronization

/// The head's end of a line to a sampler, which lives as long as this does.
struct SamplerLine: Sendable {
    typealias Event = SamplerProcess.Event
    let send: @Sendable ([UInt8]) -> Void
    init(send: @escaping @Sendable ([UInt8]) -> Void) { self.send = send }
}

/// One process of a sampler, with a thread that reads and writes: neither a deaf nor a talkative one keeps anybody waiting. Ended and
/// reaped when its owner goes.
final class SamplerProcess: Sendable {
    enum Event: Sendable {
        /// Without its end.
        case line([UInt8])
        /// Its status as a shell has it, the last thing heard.
        case ended(Int32)
    }

    /// Bytes; no point is longer.
    private static let longestLine = 1 << 20

    private let work: Work

    /// - Parameter log: gets its stderr.
    init(
        _ sampler: ExternalSampler, log: String, tell: @escaping @Sendable (Event) -> Void
    ) throws(SystemError) {
        let errors = try OwnedFD.open(log, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW)
        let wakes = try UnixSocket.pair(.stream)
        let stdio = try UnixSocket.pair(.stream)
        let shell = ["/bin/sh", "-c", "cd \"$0\" && exec \"$@\"", sampler.directory]
        let pid = try AttachedCommand.start(
            shell + sampler.command, stdio: stdio.second.raw, errors: errors.raw)
        let (reader, writer) = wakes.release()
        let (ours, theirs) = stdio.release()
        // Its own copy is the only one left, so that its end is seen.
        close(theirs)
        work = Work(stdio: ours, wakeReader: reader, wakeWriter: writer, pid: pid, tell: tell)
        try BackgroundThread.run { [work] in work.run() }
    }

    /// Goes out as soon as it is read.
    func send(_ bytes: [UInt8]) { work.send(bytes) }

    deinit { work.stop() }

    private final class Work: Sendable {
        private struct State {
            var outgoing: [UInt8] = []
            var isStopped = false
        }
        private let state = Mutex(State())
        private let stdio: Int32
        private let (wakeReader, wakeWriter): (Int32, Int32)
        private let pid: pid_t
        private let tell: @Sendable (Event) -> Void

        init(
            stdio: Int32, wakeReader: Int32, wakeWriter: Int32, pid: pid_t,
            tell: @escaping @Sendable (Event) -> Void
        ) {
            (self.stdio, self.pid, self.tell) = (stdio, pid, tell)
            (self.wakeReader, self.wakeWriter) = (wakeReader, wakeWriter)
        }

        func send(_ bytes: [UInt8]) {
            state.withLock { $0.outgoing += bytes }
            wake()
        }

        func stop() {
            state.withLock { $0.isStopped = true }
            wake()
        }

        /// Where the buffer is full, it is awake anyway.
        private func wake() {
            var byte: UInt8 = 1
            _ = Glibc.send(
                wakeWriter, &byte, 1, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
        }

        func run() {
            talk()
            // The end of its stdin ends what listens; the signals, the rest.
            shutdown(stdio, Int32(SHUT_RDWR))
            let status = reap()
            close(stdio)
            tell(.ended(status))
        }

        private func talk() {
            var line: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 1 << 16)
            while true {
                let (wants, isStopped) = state.withLock { (!$0.outgoing.isEmpty, $0.isStopped) }
                if isStopped { return }
                var watched = [
                    pollfd(fd: stdio, events: Int16(wants ? POLLIN | POLLOUT : POLLIN), revents: 0),
                    pollfd(fd: wakeReader, events: Int16(POLLIN), revents: 0),
                ]
                guard poll(&watched, 2, -1) > 0 else {
                    if errno == EINTR { continue }
                    return
                }
                if watched[1].revents != 0 {
                    _ = recv(wakeReader, &buffer, buffer.count, Int32(MSG_DONTWAIT))
                }
                let events = Int32(watched[0].revents)
                if events & POLLOUT != 0, !write() { return }
                guard events & (POLLIN | POLLHUP | POLLERR) != 0 else { continue }
                let count = recv(stdio, &buffer, buffer.count, Int32(MSG_DONTWAIT))
                if count < 0, errno == EAGAIN || errno == EINTR { continue }
                guard count > 0 else { return }
                for byte in buffer[..<count] {
                    if byte == UInt8(ascii: "\n") {
                        tell(.line(line))
                        line = []
                    } else {
                        line.append(byte)
                    }
                }
                if line.count > SamplerProcess.longestLine { return }
            }
        }

        private func write() -> Bool {
            state.withLock { state in
                let flags = Int32(MSG_DONTWAIT | MSG_NOSIGNAL)
                let count = Glibc.send(stdio, state.outgoing, state.outgoing.count, flags)
                if count > 0 { state.outgoing.removeFirst(count) }
                return count >= 0 || errno == EAGAIN || errno == EINTR
            }
        }

        private func reap() -> Int32 {
            var status: Int32 = 0
            for round in 0..<200 {
                let done = waitpid(pid, &status, WNOHANG)
                if done != 0 { break }
                if round == 20 { kill(-pid, SIGTERM) }
                if round == 199 {
                    kill(-pid, SIGKILL)
                    while waitpid(pid, &status, 0) < 0, errno == EINTR {}
                }
                usleep(5000)
            }
            return status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f
        }

        deinit {
            close(wakeReader)
            close(wakeWriter)
        }
    }
}

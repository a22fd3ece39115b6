internal import Glibc
internal import LinuxSystem

/// One run of ssh: its greeting, and what it complains of. Ended and reaped when its owner goes. Blocks the calling thread.
final class SSHVisit {
    private let ssh: SSHCommand
    private let command: AttachedCommand
    private var greeting: Greeting
    private var complaint: [UInt8] = []
    private var lastProgress = Clock.monotonic()

    /// Milliseconds without a byte either way until a visit that has not been greeted is given up: twice what ssh itself waits
    /// for a connection, for one through a jump host, and what a slow login takes.
    static let patience: Int64 = 30_000

    /// - Parameter timeout: seconds that ssh waits for the connection.
    init(_ ssh: SSHCommand, _ script: RemoteScript, timeout: Int = 10) throws(LinkProblem) {
        self.ssh = ssh
        greeting = Greeting(script.nonce)
        do throws(SystemError) {
            command = try AttachedCommand(
                ssh.arguments(running: script.commandLine, timeout: timeout))
            try command.stdio.setNonBlocking()
        } catch {
            let isMissing = [ENOENT, EACCES].contains(error.errno)
            throw LinkProblem(
                isMissing ? .sshMissing : .other, "\(error)",
                remedy: isMissing ? "install OpenSSH's client on this machine" : nil)
        }
    }

    var socket: Int32 { command.stdio.raw }
    var errors: Int32 { command.errors.raw }

    /// Waits for the node's first word, and sends it what `input` gives meanwhile.
    /// - Parameters:
    ///   - input: the next bytes, none at the end, which the node is told.
    ///   - wake: readable where `isCancelled` is worth a look.
    func greet(
        sending input: (() throws(SystemError) -> [UInt8])? = nil, wake: Int32,
        isCancelled: () -> Bool
    ) throws(LinkProblem) -> (word: Greeting.Word, rest: [UInt8]) {
        var unsent: ArraySlice<UInt8> = []
        var hasMore = input != nil
        while true {
            if hasMore, unsent.isEmpty, let input {
                do throws(SystemError) {
                    unsent = try input()[...]
                } catch { throw LinkProblem(.other, "\(error)") }
                if unsent.isEmpty {
                    hasMore = false
                    shutdown(socket, Int32(SHUT_WR))
                }
            }
            let isReadable = wait(wake, forRoom: !unsent.isEmpty)
            if isCancelled() { throw LinkProblem(.lost, "the link is closed") }
            if !unsent.isEmpty { unsent = unsent.dropFirst(send(unsent)) }
            if isReadable, let greeted = try receive() { return greeted }
            let silence = Clock.monotonic() - lastProgress
            guard silence < Self.patience else {
                throw problem("no answer in \(silence / 1000) s", .timedOut)
            }
        }
    }

    /// Lets what was written arrive; a network that takes nothing is not waited for.
    func finish() { command.finish(within: 3000) }

    /// The end of what ssh said on stderr.
    func words() -> String {
        var chunk = [UInt8](repeating: 0, count: 4096)
        // Nothing more to hear is the end of it.
        while let got = try? UnixSocket.receive(errors, into: &chunk), got.count > 0 {
            complaint = (complaint + chunk[..<got.count]).suffix(4096)
        }
        return String(decoding: complaint, as: UTF8.self)
    }

    private func problem(_ what: String, _ kind: LinkProblem.Kind = .other) -> LinkProblem {
        let words = words()
        // A shell that refuses may say so on stdout.
        var problem = LinkProblem(
            words: words.isEmpty ? greeting.noise : words, of: ssh.node, otherwise: what)
        if problem.kind == .other, kind != .other { problem = LinkProblem(kind, what) }
        return problem
    }

    private func wait(_ wake: Int32, forRoom: Bool) -> Bool {
        var pollers = [
            pollfd(
                fd: socket, events: Int16(POLLIN) | (forRoom ? Int16(POLLOUT) : 0), revents: 0),
            pollfd(fd: wake, events: Int16(POLLIN), revents: 0),
            pollfd(fd: errors, events: Int16(POLLIN), revents: 0),
        ]
        // A closed stderr would be ready for ever.
        let count: nfds_t = isDeaf ? 2 : 3
        let left = lastProgress + Self.patience - Clock.monotonic()
        _ = poll(&pollers, count, Int32(clamping: max(0, left)))
        if pollers[2].revents != 0 {
            _ = words()
            isDeaf = pollers[2].revents & Int16(POLLHUP) != 0
        }
        return pollers[0].revents & Int16(POLLIN | POLLHUP | POLLERR) != 0
    }
    private var isDeaf = false

    /// How many of them were taken. Where the other end is gone, its last words are still to be read.
    private func send(_ bytes: ArraySlice<UInt8>) -> Int {
        guard let sent = try? UnixSocket.send(socket, Array(bytes)) else { return 0 }
        lastProgress = Clock.monotonic()
        return sent
    }

    private func receive() throws(LinkProblem) -> (word: Greeting.Word, rest: [UInt8])? {
        var buffer = [UInt8](repeating: 0, count: 1 << 14)
        let got: Int?
        do throws(SystemError) {
            got = try UnixSocket.receive(socket, into: &buffer)?.count
        } catch { throw problem("\(error)") }
        guard let got else { return nil }
        guard got > 0 else { throw problem("ssh ended without a word") }
        lastProgress = Clock.monotonic()
        return try greeting.append(buffer[..<got])
    }
}

internal import CLinux
internal import Glibc
internal import LinuxSystem

/// Shows a container's terminal on this process's own, which is raw meanwhile.
final class TerminalRelay {
    private let terminal: Int32
    private var before: termios?
    private var input = true
    private var toTerminal: [UInt8] = []

    init(_ terminal: Int32) throws(SystemError) {
        self.terminal = terminal
        var mode = termios()
        if tcgetattr(0, &mode) == 0 {
            before = mode
            cfmakeraw(&mode)
            tcsetattr(0, TCSANOW, &mode)
            resize()
        }
        let flags = try check(cl_fcntl(terminal, F_GETFL, 0), "fcntl(F_GETFL)")
        try check(cl_fcntl(terminal, F_SETFL, flags | O_NONBLOCK), "fcntl(F_SETFL)")
    }

    func restore() {
        guard var mode = before else { return }
        tcsetattr(0, TCSANOW, &mode)
    }

    func resize() {
        var size = winsize()
        guard cl_ioctl(0, UInt(TIOCGWINSZ), &size) >= 0 else { return }
        _ = cl_ioctl(terminal, UInt(TIOCSWINSZ), &size)
    }

    var pollers: [pollfd] {
        let wanted = Int16(POLLIN) | (toTerminal.isEmpty ? 0 : Int16(POLLOUT))
        let far = pollfd(fd: terminal, events: wanted, revents: 0)
        // Nothing is read that there is no room for.
        let near = pollfd(
            fd: input && toTerminal.isEmpty ? 0 : -1, events: Int16(POLLIN), revents: 0)
        return [far, near]
    }

    func serve(_ pollers: ArraySlice<pollfd>) {
        var chunk = [UInt8](repeating: 0, count: 16_384)
        if let far = pollers.first, far.revents != 0 {
            flush()
            let count = read(terminal, &chunk, chunk.count)
            // Somebody who has stopped looking must not end the container.
            if count > 0 { _ = try? Files.writeAll(1, chunk[..<count], "terminal") }
        }
        if let near = pollers.last, near.revents != 0 {
            let count = read(0, &chunk, chunk.count)
            if count > 0 {
                toTerminal += chunk[..<count]
            } else if count == 0 {
                // What the terminal takes for the end of input.
                input = false
                toTerminal.append(4)
            }
            flush()
        }
    }

    private func flush() {
        guard !toTerminal.isEmpty else { return }
        let count = write(terminal, toTerminal, toTerminal.count)
        if count > 0 { toTerminal.removeFirst(count) }
    }

    /// What the program wrote last.
    func drain() {
        var chunk = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = read(terminal, &chunk, chunk.count)
            guard count > 0 else { return }
            _ = try? Files.writeAll(1, chunk[..<count], "terminal")  // as above
        }
    }
}

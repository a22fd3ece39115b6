internal import CLinux
internal import Glibc
public import JobModel
public import LinuxSystem

/// The terminal behind standard input, handed over to somebody else's process: every key comes as its byte, Ctrl-C too, and
/// nothing is shown that does not come from there. It is set back on every way out that a program can see: a return, an exit, a
/// signal that ends or stops this process, a crash.
public enum RawTerminal {
    // Of the one terminal that a process has. Written before any handler is set, and by one thread.
    nonisolated(unsafe) private static var before = termios()
    nonisolated(unsafe) private static var raw = termios()
    nonisolated(unsafe) private static var isRaw = false
    /// Written to by the handlers.
    nonisolated(unsafe) private static var bell: Int32 = -1
    /// Readable when the window has another size, or the terminal was away.
    nonisolated(unsafe) public private(set) static var wakeDescriptor: Int32 = -1

    /// Nil where standard input is no terminal.
    public static var size: WindowSize? {
        var size = winsize()
        guard cl_ioctl(0, UInt(TIOCGWINSZ), &size) == 0 else { return nil }
        return WindowSize(rows: size.ws_row, columns: size.ws_col)
    }

    public static func enter() throws(SystemError) {
        try checkErrno(tcgetattr(0, &before), "tcgetattr", "standard input")
        raw = before
        cfmakeraw(&raw)
        let (reader, writer) = try UnixSocket.pair(.messages).release()
        (wakeDescriptor, bell) = (reader, writer)
        for fd in [reader, writer] { _ = fcntl(fd, F_SETFL, O_NONBLOCK) }
        atexit { RawTerminal.leave() }
        for signal in [
            SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGABRT,
        ] { on(signal, flags: Int32(bitPattern: UInt32(SA_RESETHAND)), end) }
        on(SIGTSTP, flags: SA_RESTART, stop)
        on(SIGCONT, flags: SA_RESTART, goOn)
        on(SIGWINCH, flags: SA_RESTART) { _ in RawTerminal.ring() }
        isRaw = true
        try checkErrno(tcsetattr(0, TCSADRAIN, &raw), "tcsetattr", "standard input")
    }

    /// As it was before. Safe in a signal's handler, and more than once.
    public static func leave() {
        guard isRaw else { return }
        isRaw = false
        tcsetattr(0, TCSADRAIN, &before)
    }

    /// What rang until now has been heard.
    public static func hear() {
        var byte = [UInt8](repeating: 0, count: 64)
        // Empty is the end of it.
        while read(wakeDescriptor, &byte, byte.count) > 0 {}
    }

    private static func on(
        _ signal: Int32, flags: Int32, _ handler: @escaping @convention(c) (Int32) -> Void
    ) {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = handler
        action.sa_flags = flags
        sigaction(signal, &action, nil)
    }

    private static func ring() {
        let saved = errno
        // Full, it rings already.
        _ = withUnsafeBytes(of: UInt8(1)) { write(bell, $0.baseAddress, 1) }
        errno = saved
    }

    /// Ends by the same signal, whose default it has been set back to.
    private static let end: @convention(c) (Int32) -> Void = { signal in
        RawTerminal.leave()
        raise(signal)
    }

    /// From outside: what is typed stops the process on the far side.
    private static let stop: @convention(c) (Int32) -> Void = { _ in
        tcsetattr(0, TCSADRAIN, &RawTerminal.before)
        kill(getpid(), SIGSTOP)
    }

    private static let goOn: @convention(c) (Int32) -> Void = { _ in
        if RawTerminal.isRaw { tcsetattr(0, TCSADRAIN, &RawTerminal.raw) }
        RawTerminal.ring()
    }
}

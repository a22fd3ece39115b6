internal import CLinux
internal import Glibc
internal import LinuxSystem

// MARK: Into a container that runs

extension ContainerChild {
    /// Nothing else of the machine goes along: a descriptor that is open in there is a way out (CVE-2024-21626).
    func closeDescriptors(from first: UInt32, but kept: [Int32]) {
        var next = first
        for fd in kept.filter({ $0 >= 0 }).sorted().map(UInt32.init) where fd >= next {
            if fd > next { _ = cl_close_range(next, fd - 1, 0) }
            next = fd + 1
        }
        _ = cl_close_range(next, UInt32.max, 0)
    }

    /// All at once, so that each is judged by the rights that one has in the user namespace that is joined, too; root and
    /// working directory become those of the mount namespace, setns(2).
    mutating func joinNamespaces(_ flags: UInt64) throws(SystemError) {
        try check(
            cl_setns(target, flags), "setns",
            NamespaceKind.names(in: flags).joined(separator: " "))
        close(target)
        target = -1
        root = try OwnedFD.open("/", RootedPath.openPath | O_DIRECTORY).release()
    }

    /// CLONE_PARENT: whoever cloned this process is told of that one's end.
    func enterProcessNamespace() throws(SystemError) {
        let parent: UInt64 = 0x8000
        let child = try check(
            cl_clone3(parent, pidPlace, -1), "clone3", "into the container",
            hint: "no more processes, or the container has ended")
        guard child != 0 else { return }
        var pid = WireWriter()
        pid.put(Int64(child))
        do throws(SystemError) {
            _ = try UnixSocket.send(status, [Told.pid] + pid.bytes)
        } catch {
            // What nobody knows of must not run, nor stay unreaped.
            kill(pid_t(child), SIGKILL)
            throw error
        }
        _exit(0)
    }

    mutating func makeTerminal(_ size: TerminalSize, onConsole: Bool) throws(SystemError) {
        let console = try Console(root: root)
        try size.apply(to: console.near.raw)
        if onConsole { try console.bind(root: root) }
        try console.takeOver()
        _ = try UnixSocket.send(status, [Told.terminal], descriptors: [console.near.raw])
        hasTerminal = true
    }
}

internal import CLinux
internal import Glibc
internal import LinuxSystem
internal import OCIRuntimeSpec

/// The clone of a bundle's child: straight, or by a process in between where namespaces have to be joined first.
struct BundleClone {
    let plan: BundlePlan
    /// The child's end of the status socket, and the parent's, which the child closes.
    let childStatus: Int32
    let parentStatus: Int32
    /// -1 where `start` is not waited for on a socket.
    let startListener: Int32
    /// Trees that the parent made.
    let taken: [Int: Int32]
    /// v2 directory, or -1.
    let cgroup: Int32

    /// Returns the child's pid, in this process's own process namespace.
    func clone() throws(SystemError) -> pid_t {
        guard plan.joins.isEmpty else { return try cloneInBetween() }
        let pid = try check(cl_clone3(plan.cloneFlags, nil, cgroup), "clone3", hint: hint)
        if pid == 0 { runChild() }
        return pid_t(pid)
    }

    private var hint: String { "are the namespaces of linux.namespaces allowed here?" }

    /// The child is this process's own all the same: CLONE_PARENT.
    private func cloneInBetween() throws(SystemError) -> pid_t {
        let joins = try openJoins()
        defer { for join in joins { close(join.fd) } }
        // Not the child's own socket, on which it may already have spoken when this one's word comes.
        let (near, far) = try UnixSocket.pair(.messages).release()
        defer { close(near) }
        // Into the cgroup it goes, and the child is there with it, since in a user namespace that it joins it has no right to.
        let middle = try check(cl_clone3(0, nil, cgroup), "clone3")
        if middle == 0 { runMiddle(joins, far) }
        close(far)
        var ended = cl_exit()
        try check(cl_wait(pid_t(middle), true, &ended), "wait", "process in between")
        var buffer = [UInt8](repeating: 0, count: ContainerChild.longestMessage)
        guard let (count, _) = try UnixSocket.receive(near, into: &buffer), count > 0 else {
            throw SystemError("clone3", "process in between", errno: ECHILD)
        }
        guard buffer[0] == ContainerChild.Told.pid else {
            let failure = ContainerChild.decode(buffer[1..<count])
            throw SystemError(failure.step, failure.subject, errno: failure.errno)
        }
        var wire = WireReader(buffer[1..<count])
        // Written by our own child, so it reads.
        return pid_t((try? wire.int64()) ?? 0)
    }

    private struct Join {
        let field: String
        let kind: NamespaceSpec.Kind
        let fd: Int32
    }

    private func openJoins() throws(SystemError) -> [Join] {
        var joins: [Join] = []
        do throws(SystemError) {
            for namespace in plan.joins {
                let field = "linux.namespaces: \(namespace.kind.rawValue)"
                joins.append(
                    Join(
                        field: field, kind: namespace.kind,
                        fd: try Self.open(namespace.path ?? "", field)))
            }
        } catch {
            for join in joins { close(join.fd) }
            throw error
        }
        return joins
    }

    /// NSFS_MAGIC of linux/magic.h.
    private static let namespaceMagic: Int64 = 0x6e73_6673

    private static func open(_ path: String, _ field: String) throws(SystemError) -> Int32 {
        let file: OwnedFD
        do throws(SystemError) {
            file = try OwnedFD.open(path, O_RDONLY | O_NONBLOCK)
        } catch { throw SystemError(field, path, errno: error.errno) }
        guard try check(cl_filesystem_type_of(file.raw), field, path) == namespaceMagic
        else { throw SystemError(field, path, errno: EINVAL, hint: "it is no namespace") }
        return file.release()
    }

    // MARK: In between

    private func runMiddle(_ joins: [Join], _ status: Int32) -> Never {
        do throws(SystemError) {
            var child = ContainerChild(status: childStatus, startListener: -1, taken: [:])
            for step in plan.inherited { try child.perform(step) }
            try join(joins)
            if plan.isWatched { try child.perform(.undumpable) }
            let parent: UInt64 = 0x8000
            let pid = try check(
                cl_clone3(plan.cloneFlags | parent, nil, -1), "clone3", hint: hint)
            if pid == 0 { runChild() }
            var wire = WireWriter()
            wire.put(Int64(pid))
            _ = try UnixSocket.send(status, [ContainerChild.Told.pid] + wire.bytes)
        } catch { tell(error, on: status) }
        _exit(0)
    }

    /// A namespace may belong to the user namespace that one is in, or to the one that is joined: what is refused before is
    /// tried again after.
    private func join(_ joins: [Join]) throws(SystemError) {
        var later: [Join] = []
        for join in joins where join.kind != .user {
            let result = cl_setns(join.fd, 0)
            if result < 0 {
                guard result == -EPERM, joins.contains(where: { $0.kind == .user }) else {
                    throw SystemError(join.field, errno: -result)
                }
                later.append(join)
            }
        }
        for join in joins.filter({ $0.kind == .user }) + later {
            try check(cl_setns(join.fd, 0), join.field)
        }
        // As its root, who may then be no other.
        if joins.contains(where: { $0.kind == .user }) {
            setgroups(0, nil)  // denied where its makers have denied it
            try check(cl_setresgid(0), "linux.namespaces: user: setresgid", "0")
            try check(cl_setresuid(0), "linux.namespaces: user: setresuid", "0")
        }
    }

    // MARK: The child

    private func runChild() -> Never {
        var child = ContainerChild(
            status: childStatus, startListener: startListener, taken: taken)
        child.closeDescriptors(
            from: 3 + plan.host.preserved, but: [childStatus, startListener] + taken.values)
        do throws(SystemError) {
            cl_default_signals()
            var none = sigset_t()
            sigemptyset(&none)
            sigprocmask(SIG_SETMASK, &none, nil)
            for step in plan.steps { try child.perform(step) }
        } catch { tell(error, on: child.status) }
        _exit(127)
    }

    private func tell(_ error: SystemError, on status: Int32) {
        // The runtime may be gone; then nobody asks.
        _ = try? UnixSocket.send(
            status, [ContainerChild.Told.failure] + ContainerChild.encode(error))
    }
}

internal import Glibc
public import LinuxSystem

/// A supervisor's socket, `linux.seccomp.listenerPath`. The parent connects before it starts a container, where that path still
/// means what its writer meant and a missing supervisor is an error in time; the container's child, which has left the
/// machine's tree, only tells the descriptor to its parent (`ContainerChild.Told.listener`).
public struct SeccompListener: ~Copyable {
    private let connection: OwnedFD
    private let path: String

    public init(connectingTo path: String) throws(SystemError) {
        connection = try UnixSocket.connect(path, .stream)
        self.path = path
    }

    /// Sends the container process state (config-linux.md, "The Container Process State") with the descriptor, and closes: one
    /// state a connection. `state` is JSON whose `fds` are `["seccompFd"]`. The descriptor stays the caller's.
    public consuming func send(_ state: [UInt8], listener: Int32) throws(SystemError) {
        var rest = state[...]
        var descriptors = [listener]
        while !rest.isEmpty {
            guard
                let sent = try UnixSocket.send(
                    connection.raw, Array(rest), descriptors: descriptors)
            else { throw SystemError("send", path, errno: EAGAIN) }
            rest = rest.dropFirst(sent)
            descriptors = []
        }
    }
}

import CLinux
import Glibc
import LinuxSystem
import Testing

/// Where `--console-socket` leads: a terminal's near end comes over it.
final class ConsoleSocket {
    let path: String
    private let listener: OwnedFD

    init(of bundle: TestBundle) throws {
        path = bundle.folder.path + "/console"
        listener = try UnixSocket.listen(path, .stream)
        chmod(path, 0o777)
    }

    /// Once somebody has connected, who may be another user.
    func terminal() throws -> TestTerminal {
        let peer = try OwnedFD(checking: cl_accept(listener.raw), "accept")
        var buffer = [UInt8](repeating: 0, count: 4096)
        let received = try #require(try UnixSocket.receive(peer.raw, into: &buffer))
        #expect(received.count > 0)
        return TestTerminal(try #require(received.descriptors.first))
    }
}

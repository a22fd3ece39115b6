import CLinux
import Glibc
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// SCMP_ACT_NOTIFY from the call in a live process to a supervisor that answers it.
@Suite(.enabled(if: RawCall.isPossible, RawCall.reason), .timeLimit(.minutes(1)))
struct SeccompListenerTests {
    /// struct seccomp_notif, linux/seccomp.h, as words of 64 bits.
    private struct Notification {
        let id: UInt64
        let number: Int32
        let arguments: [UInt64]
    }

    // linux/seccomp.h: SECCOMP_IOCTL_NOTIF_RECV and _SEND.
    private static let (receiving, sending): (UInt, UInt) = (0xc050_2100, 0xc018_2101)

    private static func receive(_ listener: Int32) throws -> Notification {
        var words = [UInt64](repeating: 0, count: 10)
        try words.withUnsafeMutableBytes { memory in
            _ = try check(
                cl_ioctl(listener, receiving, memory.baseAddress), "SECCOMP_IOCTL_NOTIF_RECV")
        }
        return Notification(
            id: words[0], number: Int32(truncatingIfNeeded: words[2]), arguments: Array(words[4...])
        )
    }

    private static func answer(_ listener: Int32, _ id: UInt64, errno: Int32) throws {
        var words = [id, 0, UInt64(UInt32(bitPattern: -errno))]
        try words.withUnsafeMutableBytes { memory in
            _ = try check(
                cl_ioctl(listener, sending, memory.baseAddress), "SECCOMP_IOCTL_NOTIF_SEND")
        }
    }

    private static func spec(_ path: String) -> SeccompSpec {
        var spec = SeccompFilterTests.profile(
            SeccompFilterTests.rule(["mkdir"], "SCMP_ACT_NOTIFY"))
        spec.listenerPath = path
        spec.flags = ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]
        return spec
    }

    @Test func aSupervisorHearsOfACallAndItsAnswerIsTheCalls() throws {
        let folder = try Folder()
        let path = folder.path + "/supervisor"
        let socket = try UnixSocket.listen(path, .stream)
        let connection = try SeccompListener(connectingTo: path)
        let filter = try SeccompFilter(compiling: Self.spec(path))
        #expect(filter.wantsListener)
        let child = try Confined(filter, RawCall(SeccompFilterTests.mkdir, [7, 8]), in: folder)
        // Larger than one write takes at once.
        let state =
            Array("{\"fds\":[\"seccompFd\"],\"metadata\":\"".utf8)
            + Array(repeating: 0x78, count: 1 << 17) + Array("\"}".utf8)
        let descriptor = try #require(child.listener)
        // The peer reads only after this has been sent; a socket's buffer takes this much.
        try connection.send(state, listener: descriptor)
        close(descriptor)

        guard let peer = try UnixSocket.accept(socket.raw) else {
            Issue.record("nobody connected")
            return
        }
        var (received, descriptors): ([UInt8], [Int32]) = ([], [])
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while let (count, more) = try UnixSocket.receive(peer.raw, into: &buffer), count > 0 {
            received += buffer[..<count]
            descriptors += more
        }
        #expect(received == state)
        let listener = OwnedFD(try #require(descriptors.first))
        #expect(descriptors.count == 1)
        let notification = try Self.receive(listener.raw)
        #expect(notification.number == Int32(SeccompFilterTests.mkdir))
        #expect(notification.arguments.prefix(2) == [7, 8])
        try Self.answer(listener.raw, notification.id, errno: 71)
        #expect(child.end() == .code(71))
    }

    @Test func withoutASupervisorNothingIsBegun() throws {
        let folder = try Folder()
        let error = #expect(throws: SystemError.self) {
            _ = try SeccompListener(connectingTo: folder.path + "/nobody")
        }
        #expect(error?.errno == ENOENT)
    }
}

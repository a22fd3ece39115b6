import CLinux
import Glibc
import LinuxSystem
import Testing

@Suite struct SocketTests {
    @Test func messagesKeepTheirBoundsAndCarryDescriptors() throws {
        let pair = try UnixSocket.pair(.messages)
        let file = try OwnedFD.open("/dev/zero", O_RDONLY)
        _ = try UnixSocket.send(pair.first.raw, [1, 2, 3], descriptors: [file.raw])
        _ = try UnixSocket.send(pair.first.raw, [4])
        var buffer = [UInt8](repeating: 0, count: 64)
        let first = try #require(try UnixSocket.receive(pair.second.raw, into: &buffer))
        #expect(Array(buffer[..<first.count]) == [1, 2, 3])
        let received = OwnedFD(try #require(first.descriptors.first))
        #expect(cl_character_device(received.raw) == 1 << 32 | 5)
        #expect(cl_fcntl(received.raw, F_GETFD, 0) == FD_CLOEXEC)
        let second = try #require(try UnixSocket.receive(pair.second.raw, into: &buffer))
        #expect(Array(buffer[..<second.count]) == [4])
        #expect(second.descriptors.isEmpty)
    }

    @Test func aMessageTooLargeForTheBufferIsAnErrorAndLeaksNothing() throws {
        let pair = try UnixSocket.pair(.messages)
        let watched = try UnixSocket.pair(.messages)
        let (kept, sent) = watched.release()
        defer { close(kept) }
        _ = try UnixSocket.send(
            pair.first.raw, [UInt8](repeating: 7, count: 65), descriptors: [sent])
        close(sent)
        var buffer = [UInt8](repeating: 0, count: 64)
        let error = #expect(throws: SystemError.self) {
            _ = try UnixSocket.receive(pair.second.raw, into: &buffer)
        }
        #expect(error?.errno == EMSGSIZE)
        // Its other end was in that message: were it still open here, no end would be seen.
        var poller = pollfd(fd: kept, events: 0, revents: 0)
        #expect(poll(&poller, 1, 1000) == 1)
        #expect(poller.revents & Int16(POLLHUP) != 0)
    }

    @Test func aFullSocketSaysSoAndDoesNotBlock() throws {
        let pair = try UnixSocket.pair(.messages)
        try pair.first.setNonBlocking()
        let message = [UInt8](repeating: 0, count: 4096)
        var sent = 0
        while try UnixSocket.send(pair.first.raw, message) != nil { sent += 1 }
        #expect(sent > 0)
    }

    @Test func aSocketLeftByADeadProcessIsReplaced() throws {
        let folder = try Folder()
        let path = folder.path + "/socket"
        do { _ = try UnixSocket.listen(path, .messages) }
        let dead = #expect(throws: SystemError.self) { _ = try UnixSocket.connect(path, .messages) }
        #expect(dead?.errno == ECONNREFUSED)
        let listener = try UnixSocket.listen(path, .messages)
        let client = try UnixSocket.connect(path, .messages)
        #expect(try UnixSocket.isSameUser(client.raw))
        guard let accepted = try UnixSocket.accept(listener.raw) else {
            Issue.record("a connection of the same user waits")
            return
        }
        #expect(try UnixSocket.isSameUser(accepted.raw))
    }

    @Test func aPathTooLongForASocketIsRefused() {
        let path = "/tmp/" + String(repeating: "x", count: 120)
        let error = #expect(throws: SystemError.self) {
            _ = try UnixSocket.connect(path, .messages)
        }
        #expect(error?.errno == ENAMETOOLONG)
    }
}

import Foundation
import LinuxSystem
import Synchronization
import Testing

@testable import NodeAgent
@testable import NodeLink

/// Streams over a socket, between the head's end and the agent's.
struct StreamTests {
    /// What the head was told of one stream.
    final class Received: Sendable {
        let bytes = Mutex<[UInt8]>([])
        let ends = Mutex<[String?]>([])
        let consumes: Bool
        init(consumes: Bool = true) { self.consumes = consumes }

        @Sendable func take(_ handle: StreamHandle, _ event: StreamEvent) {
            switch event {
            case .data(let more):
                bytes.withLock { $0 += more }
                if consumes { handle.consumed(more.count) }
            case .end(let reason): ends.withLock { $0.append(reason) }
            }
        }
        var hasEnded: Bool { ends.withLock { !$0.isEmpty } }
        var count: Int { bytes.withLock { $0.count } }
    }

    final class Seen: Sendable {
        let state = Mutex(TestStream.Seen())
        @Sendable func change(_ body: @Sendable (inout TestStream.Seen) -> Void) {
            state.withLock { body(&$0) }
        }
        var received: Int { state.withLock { $0.received } }
    }

    private static func connected(
        _ folder: Folder, _ server: StreamServer
    ) async throws -> (TestHead, AgentLink, AgentLink.Connection) {
        let head = try TestHead(.socket(folder.path + "/agent.sock"))
        #expect(try await eventually { head.isConnected })
        let (link, connection) = head.state.withLock { ($0.link, $0.connection) }
        return (head, try #require(link), try #require(connection))
    }

    private static func background(_ body: @escaping @Sendable () -> Void) {
        Thread.detachNewThread(body)
    }

    @Test func bytesGoBothWaysAtOnceAndCompletely() async throws {
        let folder = try Folder()
        let server = try StreamServer(folder.path + "/agent.sock") { _ in TestStream(echoes: true) }
        defer { server.stop() }
        let (head, link, connection) = try await Self.connected(folder, server)
        defer { withExtendedLifetime(head) {} }
        let length = 3 << 20
        let all = (0..<5).map { _ in Received() }
        for received in all {
            let handle = try link.open(.unknown, on: connection, receive: received.take)
            Self.background {
                for start in stride(from: 0, to: length, by: 100_000) {
                    // It ends early where the connection does, which the count below shows.
                    try? handle.write(
                        (start..<min(start + 100_000, length)).map(TestStream.byte))
                }
                handle.finish()
            }
        }
        let expected = (0..<length).map(TestStream.byte)
        for received in all {
            #expect(try await eventually { received.hasEnded })
            #expect(received.ends.withLock { $0 } == [nil])
            #expect(received.bytes.withLock { $0 } == expected)
        }
    }

    @Test func aMessageWaitsForOneFrameOfAStreamAndNoMore() async throws {
        let folder = try Folder()
        let server = try StreamServer(folder.path + "/agent.sock") { _ in TestStream(length: nil) }
        defer { server.stop() }
        // A head that reads nothing: what is before the answer is what was written ahead of it.
        let socket = try UnixSocket.connect(folder.path + "/agent.sock", .stream)
        var (writer, reader) = (FrameWriter(), FrameReader())
        var bytes = try writer.message(ToAgent.hello(HeadHello(head: "h")))
        for number in 1...3 as ClosedRange<UInt16> {
            bytes += try writer.message(ToAgent.stream(number, .unknown))
            bytes += writer.frame(.credit, of: number, [0, 0, 0, 16])
        }
        try Files.writeAll(socket.raw, bytes, "socket")
        let raw = socket.raw
        // As much as goes: the first window alone is more than that.
        #expect(
            try await eventually {
                var waiting: Int32 = 0
                _ = ioctl(raw, UInt(FIONREAD), &waiting)
                return waiting > Frame.largestData
            })
        try Files.writeAll(socket.raw, writer.message(ToAgent.cancel([])), "socket")
        #expect(try await eventually { server.answered.withLock { $0 } == 1 })
        var ahead = 0
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        search: while let (count, _) = try UnixSocket.receive(socket.raw, into: &buffer), count > 0
        {
            reader.append(buffer[..<count])
            while let frame = try reader.next() {
                if frame.kind == .message, case .held = try frame.decode(FromAgent.self) {
                    break search
                }
                ahead += frame.payload.count
            }
        }
        // What a socket takes before it is no longer all but empty, and one frame.
        var size: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(socket.raw, SOL_SOCKET, SO_SNDBUF, &size, &length)
        #expect(ahead > Frame.largestData && ahead <= Int(size) / 4 + 2 * Frame.largestData)
    }

    @Test func aHeadThatIsBusySendingIsAnsweredAllTheSame() async throws {
        let folder = try Folder()
        let server = try StreamServer(folder.path + "/agent.sock") { number in
            number == 1 ? TestStream(length: nil) : TestStream(length: 0, consumes: true)
        }
        defer { server.stop() }
        let (head, link, connection) = try await Self.connected(folder, server)
        let received = Received()
        let bulk = try link.open(.unknown, on: connection, receive: received.take)
        Self.background {
            // Until it is cancelled.
            while (try? bulk.write([UInt8](repeating: 0, count: 1 << 16))) != nil {}
        }
        for round in 1...20 {
            head.send(.cancel([]))
            #expect(try await eventually { head.state.withLock { $0.held.count } == round })
        }
        #expect(try await eventually { received.count > 4 * StreamWindow.first })
        bulk.cancel()
        #expect(try await eventually { received.hasEnded })
        #expect(head.state.withLock { $0.disconnects.isEmpty })
    }

    @Test func aSlowConsumerStopsItsSenderAloneAndBoundsWhatIsHeld() async throws {
        let folder = try Folder()
        let seen = Seen()
        let server = try StreamServer(folder.path + "/agent.sock") { number in
            number == 1
                ? TestStream(length: 0, consumes: false, seen: seen.change)
                : TestStream(echoes: true)
        }
        defer { server.stop() }
        let (head, link, connection) = try await Self.connected(folder, server)
        defer { withExtendedLifetime(head) {} }
        let (stuck, other) = (Received(), Received())
        let handle = try link.open(.unknown, on: connection, receive: stuck.take)
        let written = Mutex(0)
        let failure = Mutex("")
        Self.background {
            do throws(LinkError) {
                while true {
                    try handle.write([UInt8](repeating: 0, count: 1 << 16))
                    written.withLock { $0 += 1 << 16 }
                }
            } catch { failure.withLock { $0 = error.description } }
        }
        let most = StreamWindow.first + (256 << 10)
        #expect(try await eventually { seen.received == StreamWindow.first })
        #expect(try await eventually { written.withLock { $0 } == most })
        // Others go on meanwhile.
        let second = try link.open(.unknown, on: connection, receive: other.take)
        try second.write([1, 2, 3])
        second.finish()
        #expect(
            try await eventually { other.bytes.withLock { $0 } == [1, 2, 3] && other.hasEnded })
        #expect(written.withLock { $0 } == most)
        handle.cancel("the disk is full")
        #expect(try await eventually { stuck.hasEnded && failure.withLock { !$0.isEmpty } })
        #expect(failure.withLock { $0 } == "the disk is full")
        #expect(seen.state.withLock { $0.headEnd } == ["the disk is full"])
    }

    @Test func aConnectionThatEndsEndsItsStreamsAndWhoeverWaitsForThem() async throws {
        let folder = try Folder()
        let seen = Seen()
        let server = try StreamServer(folder.path + "/agent.sock") { _ in
            TestStream(length: 0, consumes: false, seen: seen.change)
        }
        let (head, link, connection) = try await Self.connected(folder, server)
        let received = Received()
        let handle = try link.open(.unknown, on: connection, receive: received.take)
        let hasFailed = Mutex(false)
        Self.background {
            while (try? handle.write([UInt8](repeating: 0, count: 1 << 16))) != nil {}
            hasFailed.withLock { $0 = true }
        }
        #expect(try await eventually { seen.received == StreamWindow.first })
        server.stop()
        #expect(try await eventually { hasFailed.withLock { $0 } && received.hasEnded })
        #expect(received.ends.withLock { $0 }.count == 1)
        #expect(received.ends.withLock { $0.first.flatMap { $0 } }?.contains("has ended") == true)
        #expect(try await eventually { seen.state.withLock { $0.isClosed } })
        #expect(throws: LinkError.self) {
            try link.open(.unknown, on: connection, receive: received.take)
        }
        withExtendedLifetime(head) {}
    }

    @Test func aHeadThatOverrunsAWindowIsHungUpOn() async throws {
        let folder = try Folder()
        let seen = Seen()
        let server = try StreamServer(folder.path + "/agent.sock") { _ in
            TestStream(length: 0, consumes: false, seen: seen.change)
        }
        defer { server.stop() }
        let socket = try UnixSocket.connect(folder.path + "/agent.sock", .stream)
        var writer = FrameWriter()
        try Files.writeAll(
            socket.raw,
            writer.message(ToAgent.hello(HeadHello(head: "h")))
                + writer.message(ToAgent.stream(9, .unknown)), "socket")
        let payload = Data(repeating: 0, count: Frame.largestData)
        for number in 3...7 as ClosedRange<UInt64> {
            try Files.writeAll(
                socket.raw, Frame(.data, stream: 9, sequence: number, payload: payload).bytes, "s")
        }
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        // Its hello and the stream's frames, and then the end of the connection.
        while let (count, _) = try? UnixSocket.receive(socket.raw, into: &buffer), count > 0 {}
        #expect(try await eventually { seen.state.withLock { $0.isClosed } })
        #expect(seen.received == StreamWindow.first)
    }

    @Test func anOlderAgentIsAskedForNoStream() async throws {
        let folder = try Folder()
        let server = try StreamServer(folder.path + "/agent.sock", skills: nil) { _ in
            TestStream(echoes: true)
        }
        defer { server.stop() }
        let (head, link, connection) = try await Self.connected(folder, server)
        let received = Received()
        let error = #expect(throws: LinkError.self) {
            try link.open(.unknown, on: connection, receive: received.take)
        }
        #expect(error?.description.contains("older") == true)
        #expect(head.isConnected)
    }
}

import Glibc
import LinuxSystem
import Testing

@Suite struct EventLoopTests {
    @Test func deadlinesComeInOrderOfTimeThenOfAsking() throws {
        let loop = try EventLoop()
        var order: [String] = []
        loop.after(4) {
            order.append("late")
            loop.stop()
        }
        loop.after(1) { order.append("first") }
        loop.after(1) { order.append("second") }
        loop.after(0) { order.append("now") }
        try loop.run()
        #expect(order == ["now", "first", "second", "late"])
    }

    @Test func aCancelledDeadlineNeverComes() throws {
        let loop = try EventLoop()
        let timer = loop.after(0) { Issue.record("it was cancelled") }
        loop.cancel(timer)
        loop.after(3) { loop.stop() }
        try loop.run()
    }

    @Test func aDescriptorForgottenInTheSameRoundIsNotCalled() throws {
        let loop = try EventLoop()
        let first = try UnixSocket.pair(.messages)
        let second = try UnixSocket.pair(.messages)
        let (a, b) = (first.first.raw, second.first.raw)
        var calls = 0
        for (own, other) in [(a, b), (b, a)] {
            try loop.watch(own, for: .read) { _ in
                calls += 1
                loop.forget(other)
                loop.forget(own)
                loop.after(2) { loop.stop() }
            }
        }
        _ = try UnixSocket.send(first.second.raw, [1])
        _ = try UnixSocket.send(second.second.raw, [1])
        try loop.run()
        #expect(calls == 1)
    }

    @Test func aDeadlineThatIsSetAgainAndAgainLeavesDescriptorsHeard() throws {
        let loop = try EventLoop()
        let pair = try UnixSocket.pair(.messages)
        var rounds = 0
        func again() {
            rounds += 1
            if rounds < 10_000 { loop.after(0, again) } else { loop.stop() }
        }
        try loop.watch(pair.first.raw, for: .read) { _ in loop.stop() }
        loop.after(0) {
            // A socket of our own takes a byte.
            _ = try? UnixSocket.send(pair.second.raw, [1])
            again()
        }
        try loop.run()
        #expect(rounds < 10)
    }

    @Test func theEndOfAConnectionIsSeenUnasked() throws {
        let loop = try EventLoop()
        let (own, other) = try UnixSocket.pair(.stream).release()
        defer { close(own) }
        var seen: EventLoop.Ready = []
        try loop.watch(own, for: []) {
            seen = $0
            loop.stop()
        }
        close(other)
        try loop.run()
        #expect(!seen.isDisjoint(with: .hangup))
    }

    @Test func interestCanChange() throws {
        let loop = try EventLoop()
        let pair = try UnixSocket.pair(.stream)
        let own = pair.first.raw
        var writable = false
        try loop.watch(own, for: .read) {
            writable = $0.contains(.write)
            loop.stop()
        }
        loop.after(0) {
            // An error would show as a test that never ends; said here instead.
            #expect(throws: Never.self) { try loop.change(own, to: .write) }
        }
        try loop.run()
        #expect(writable)
    }
}

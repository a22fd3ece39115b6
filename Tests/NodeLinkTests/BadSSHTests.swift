import Foundation
import JobModel
import LinuxSystem
import NodeLink
import Synchronization
import Testing

/// A head whose ssh hangs, breaks, stutters or lies.
struct BadSSHTests {
    private static func hello() throws -> [UInt8] {
        var writer = FrameWriter()
        let hello = AgentHello(
            agentEpoch: "1", launcherEpoch: "1", bootID: "1",
            inventory: NodeInventory(hostname: "n", numaNodes: []), accepted: [], started: [],
            exited: [])
        return try writer.message(FromAgent.hello(hello))
    }

    private static func bytes() throws -> [String: [UInt8]] {
        let hello = try hello()
        return [
            "hello": hello, "half": Array(hello.prefix(hello.count / 2)), "twice": hello + hello,
        ]
    }

    private static let good = "echo; echo $n ready; cat $d/hello; exec cat >/dev/null"

    @Test(arguments: [
        (
            "echo $n ready; cat $d/half; echo 'client_loop: send disconnect' >&2; exit 255",
            "client_loop"
        ),
        ("echo $n ready; cat $d/twice; exec cat >/dev/null", "frame 1 after frame 1"),
        (
            "echo $n ready; echo 'Last login: never, and more than a header'; exec cat >/dev/null",
            "a frame of"
        ),
        ("echo motd; exit 0", "motd"), ("exit 255", "ended without a word"),
        ("echo 'n: Permission denied (publickey).' >&2; exit 255", "ssh-copy-id n"),
        ("head -c 100000 /dev/zero; exec cat >/dev/null", "prints more than"),
        ("echo; echo $n missing Darwin arm64", "runs Darwin"),
        ("echo; echo $n missing Linux riscv64", "agents/riscv64"),
    ])
    func isToldAndTriedAgain(step: String, told: String) async throws {
        let mock = try MockSSH([step, Self.good], files: Self.bytes())
        let events = try mock.link()
        defer { events.close() }
        #expect(
            try await eventually { events.problems.contains { $0.contains(told) } },
            "\(events.problems)")
        // Where somebody has to act first the pause is long, and a user who has acted does not wait for it.
        #expect(
            try await eventually {
                events.link.withLock { $0?.hurry() }
                return events.hellos > 0
            })
        #expect(events.kind == nil)
    }

    @Test func noChildOfALinkOutlivesIt() async throws {
        // It ignores what is said politely, and has a child of its own, as one behind a jump host does.
        let mock = try MockSSH(["trap '' TERM; sleep 1000 & echo $! >>$d/pids; wait"])
        let events = try mock.link()
        #expect(try await eventually { mock.pids.count == 2 })
        events.close()
        #expect(
            try await eventually { mock.pids.allSatisfy { kill($0, 0) != 0 && errno == ESRCH } })
    }

    @Test func aProgramThatIsMissingIsNamed() async throws {
        let mock = try MockSSH(["exit 0"])
        try FileManager.default.removeItem(atPath: mock.folder.path + "/ssh")
        let events = try mock.link()
        defer { events.close() }
        #expect(try await eventually { events.kind == .sshMissing }, "\(events.problems)")
    }
}

/// Awaits what another thread brings about; false after `seconds`.
func eventually(seconds: Double = 20, _ condition: () throws -> Bool) async throws -> Bool {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while ContinuousClock.now < deadline {
        if try condition() { return true }
        try await Task.sleep(for: .milliseconds(5))
    }
    return try condition()
}

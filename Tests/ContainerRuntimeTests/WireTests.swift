import Glibc
import LinuxSystem
import Testing

@testable import ContainerRuntime

/// Bytes between agent and launcher, and the journal: whole or refused, never a trap.
@Suite struct WireTests {
    private static let spec: ContainerSpec = {
        var spec = ContainerSpec(root: .layers(["/a", "/bé"]), arguments: ["x", "", "z y"])
        spec.readOnlyRoot = true
        spec.keepUpper = true
        spec.environment = ["A=1", "B=\n"]
        spec.workingDirectory = "/w"
        spec.user = "u:g"
        spec.hostname = "h"
        spec.mounts = [
            .init(source: "/s", destination: "/d", readOnly: true),
            .init(.tmpfs, destination: "/t", size: 9),
        ]
        spec.shmSize = 1 << 40
        spec.cpus = [0, 7]
        spec.numaNodes = [1]
        spec.memoryLimit = .max
        spec.pidsLimit = 3
        spec.resourceLimits = [.init(resource: 7, soft: 1, hard: .max)]
        spec.withInit = true
        return spec
    }()

    private static let exit: ContainerExit = {
        var exit = ContainerExit(
            id: "42_7.2", status: .startFailure(step: "bind", subject: "/x", errno: 2), started: 1,
            ended: 2)
        exit.peakMemory = 5
        exit.outOfMemory = true
        exit.enforcement.memory = "cgroup-v2"
        return exit
    }()

    static let messages: [[UInt8]] = [
        LauncherRequest.start(id: "1_2.3", spec, StopRule(timeLimit: 5, signal: 10, grace: 6))
            .bytes,
        LauncherRequest.stop(id: "1_2.3").bytes,
        LauncherRequest.acknowledge(["a", "b"]).bytes,
        LauncherRequest.shutdown.bytes,
    ]
    static let events: [[UInt8]] = [
        LauncherEvent.hello(
            epoch: "e", running: [.init(id: "r", at: 1, enforcement: .init())], exited: [exit]
        ).bytes,
        LauncherEvent.started(.init(id: "r", at: 1, enforcement: .init())).bytes,
        LauncherEvent.exited(exit).bytes,
    ]

    @Test func aStartArrivesAsItWasSent() throws {
        guard case .start(let id, let spec, let rule) = try LauncherRequest(Self.messages[0][...])
        else {
            Issue.record("another request")
            return
        }
        #expect(id == "1_2.3")
        #expect(spec == Self.spec)
        #expect(rule == StopRule(timeLimit: 5, signal: 10, grace: 6))
    }

    @Test(arguments: messages) func everyRequestReadsBack(bytes: [UInt8]) throws {
        #expect(try LauncherRequest(bytes[...]).bytes == bytes)
    }

    @Test(arguments: events) func everyEventReadsBack(bytes: [UInt8]) throws {
        #expect(try LauncherEvent(bytes[...]).bytes == bytes)
    }

    @Test(arguments: messages) func aTornRequestIsRefused(bytes: [UInt8]) {
        for length in 0..<bytes.count {
            #expect(throws: (any Error).self) { _ = try LauncherRequest(bytes[..<length]) }
        }
    }

    /// Either it is refused, or it reads as something; it does not trap.
    @Test(arguments: messages) func noiseNeverTraps(bytes: [UInt8]) {
        var seed: UInt64 = 0x9e37_79b9_7f4a_7c15
        func next() -> UInt64 {
            seed ^= seed << 13
            seed ^= seed >> 7
            seed ^= seed << 17
            return seed
        }
        for _ in 0..<2000 {
            var noisy = bytes
            for _ in 0..<(1 + next() % 4) {
                noisy[Int(next() % UInt64(noisy.count))] = UInt8(truncatingIfNeeded: next())
            }
            _ = try? LauncherRequest(noisy[...])
            _ = try? LauncherEvent(noisy[...])
        }
    }

    @Test func aJournalIsReadUpToItsTornEnd() throws {
        let folder = try Folder()
        let record = LauncherJournal.record(Self.exit)
        let path = folder.path + "/journal"
        for torn in [0, 1, 7, 8, 9, record.count - 1] {
            try Files.writeAtomically(path, record + record + record.prefix(torn), durable: false)
            #expect(try LauncherJournal.read(path) == [Self.exit, Self.exit])
        }
        #expect(try LauncherJournal.read(folder.path + "/none").isEmpty)
    }
}

import Glibc
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// Bytes between agent and launcher, and the journal: whole or refused, never a trap.
@Suite struct WireTests {
    private static let seccomp: SeccompSpec = {
        var spec = SeccompSpec(defaultAction: "SCMP_ACT_ERRNO")
        spec.defaultErrnoRet = .max
        spec.architectures = ["SCMP_ARCH_X86"]
        spec.flags = ["SECCOMP_FILTER_FLAG_LOG"]
        spec.listenerPath = "/l"
        spec.syscalls = [.init(names: ["a", "b"], action: "SCMP_ACT_TRACE")]
        spec.syscalls[0].errnoRet = 7
        spec.syscalls[0].args = [.init(index: 5, value: .max, op: "SCMP_CMP_NE")]
        spec.syscalls[0].args[0].valueTwo = 1 << 63
        return spec
    }()

    private static let spec: ContainerSpec = {
        var spec = ContainerSpec(root: .layers(["/a", "/bé"]), arguments: ["x", "", "z y"])
        spec.readOnlyRoot = true
        spec.keepUpper = true
        spec.environment = ["A=1", "B=\n"]
        spec.workingDirectory = "/w"
        spec.user = "u:g"
        spec.hostname = "h"
        spec.network = .private([
            .init(address: "::1", hostPort: 0, containerPort: 65535, isUDP: true, variable: "P")
        ])
        spec.mounts = [
            .init(source: "/s", destination: "/d", readOnly: true),
            .init(.tmpfs, destination: "/t", size: 9),
        ]
        spec.shmSize = 1 << 40
        spec.cpus = [0, 7]
        spec.memoryPolicy = MemoryPolicy(.bind, [1, 70])
        spec.memoryNodes = [1, 70]
        spec.devices.nodes = [
            .init(
                path: "/dev/a", source: "/b", kind: .block, major: 1, minor: 1 << 19, mode: 0o600,
                uid: .max, gid: 7)
        ]
        spec.devices.mounts = [.init("/s", on: "/d", options: ["ro", "nosuid"])]
        spec.devices.links = [.init("/l", to: "t")]
        spec.devices.files = [.init("/proc/f", "text\n")]
        spec.devices.libraries = [.init("l.so.1", at: "/l.so.1")]
        spec.devices.groups = [1, .max]
        spec.memoryLimit = .max
        spec.pidsLimit = 3
        spec.resourceLimits = [.init(resource: 7, soft: 1, hard: .max)]
        spec.withInit = true
        spec.seccomp = .profile(seccomp)
        spec.isPrivileged = true
        spec.terminal = TerminalSize(rows: 40, columns: 65535)
        return spec
    }()

    static let execs: [ExecSpec] = {
        var named = ExecSpec(arguments: ["sh", "-c", ""])
        named.environment = ["A=1"]
        named.workingDirectory = "/w"
        named.identity = .named("u:g")
        named.umask = 0o077
        named.privileges = .ofRoot(1 << 63)
        named.terminal = TerminalSize(rows: 1, columns: 2)
        named.resourceLimits = [.init(resource: 7, soft: 1, hard: .max)]
        named.cpus = [3]
        named.memoryPolicy = MemoryPolicy(.preferredMany, [0, 1])
        var numbered = ExecSpec(arguments: ["x"])
        numbered.identity = .ids(uid: 1, gid: .max - 1, groups: [5, 6])
        numbered.privileges = .sets(
            CapabilitySets(bounding: 1, effective: 2, permitted: 3, inheritable: 4, ambient: 5))
        numbered.noNewPrivileges = false
        return [named, numbered]
    }()

    private static let exit: ContainerExit = {
        var exit = ContainerExit(
            id: "42_7.2", status: .startFailure(step: "bind", subject: "/x", errno: 2), started: 1,
            ended: 2)
        exit.peakMemory = 5
        exit.outOfMemory = true
        exit.enforcement.memory = "cgroup-v2"
        exit.enforcement.cpuBinding = "affinity"
        exit.enforcement.memoryBinding = "cgroup-v1"
        exit.enforcement.memoryPolicy = "bind"
        return exit
    }()

    static let messages: [[UInt8]] = [
        LauncherRequest.start(
            id: "1_2.3", spec, StopRule(timeLimit: 5, signal: 10, grace: 6, before: 3)
        ).bytes,
        LauncherRequest.prepare(id: "1_2.3", spec, StopRule(before: 3)).bytes,
        LauncherRequest.release(id: "1_2.3", StopRule(timeLimit: 5, before: 3)).bytes,
        LauncherRequest.discard(id: "1_2.3").bytes,
        LauncherRequest.stop(id: "1_2.3").bytes,
        LauncherRequest.pause(id: "1_2.3").bytes,
        LauncherRequest.resume(id: "1_2.3").bytes,
        LauncherRequest.limit(id: "1_2.3", 7).bytes,
        LauncherRequest.acknowledge(["a", "b"]).bytes,
        LauncherRequest.shutdown.bytes,
        LauncherRequest.exec(id: "e", container: "1_2.3", execs[0]).bytes,
        LauncherRequest.exec(id: "e", container: "1_2.3", execs[1]).bytes,
        LauncherRequest.hangUp(id: "e").bytes,
    ]
    static let events: [[UInt8]] = [
        LauncherEvent.hello(
            epoch: "e", running: [.init(id: "r", at: 1, enforcement: .init())], exited: [exit]
        ).bytes,
        LauncherEvent.started(
            .init(
                id: "r", at: 1, enforcement: .init(),
                ports: [.init(address: "::1", hostPort: 1, containerPort: 2)])
        ).bytes,
        LauncherEvent.exited(exit).bytes,
        LauncherEvent.execStarted(id: "e").bytes,
        LauncherEvent.execEnded(id: "e", exit.status).bytes,
    ]

    @Test(arguments: execs) func anExecArrivesAsItWasSent(spec: ExecSpec) throws {
        let bytes = LauncherRequest.exec(id: "e", container: "c", spec).bytes
        guard case .exec("e", "c", let arrived) = try LauncherRequest(bytes[...]) else {
            Issue.record("another request")
            return
        }
        #expect(arrived == spec)
    }

    @Test func aStartArrivesAsItWasSent() throws {
        guard case .start(let id, let spec, let rule) = try LauncherRequest(Self.messages[0][...])
        else {
            Issue.record("another request")
            return
        }
        #expect(id == "1_2.3")
        #expect(spec == Self.spec)
        #expect(rule == StopRule(timeLimit: 5, signal: 10, grace: 6, before: 3))
    }

    @Test(arguments: messages) func everyRequestReadsBack(bytes: [UInt8]) throws {
        #expect(try LauncherRequest(bytes[...]).bytes == bytes)
    }

    @Test(arguments: events) func everyEventReadsBack(bytes: [UInt8]) throws {
        #expect(try LauncherEvent(bytes[...]).bytes == bytes)
    }

    @Test(arguments: messages) func aTornRequestIsRefused(bytes: [UInt8]) {
        // Where an agent ends that knows no signal before the limit: 9 bytes earlier.
        let whole = bytes == Self.messages[0] ? bytes.count - 9 : nil
        for length in 0..<bytes.count where length != whole {
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

    /// A disk that was full for a while: what was torn hides nothing, and what could not be written is made up for.
    @Test(.enabled(if: geteuid() == 0, "only root mounts a small disk"))
    func aJournalOutlivesAFullDisk() throws {
        let folder = try Folder()
        try checkErrno(mount("tmpfs", folder.path, "tmpfs", 0, "size=16k"), "mount", folder.path)
        defer { umount2(folder.path, Int32(MNT_DETACH)) }
        let path = folder.path + "/journal"
        let journal = try LauncherJournal(path)
        var waiting: [ContainerExit] = []
        func append() throws {
            let exit = ContainerExit(
                id: "1_\(waiting.count).1", status: .code(0), started: 1, ended: 2)
            waiting.append(exit)
            journal.append(exit, waiting: waiting)
        }
        try append()
        try folder.write("large", String(repeating: "x", count: 12 << 10))
        for _ in 0..<60 { try append() }
        let before = try LauncherJournal.read(path).exits
        #expect(before.count > 1 && before.count < waiting.count)
        #expect(before == Array(waiting.prefix(before.count)))
        unlink(folder.path + "/large")
        try append()
        #expect(try LauncherJournal.read(path).exits == waiting)
    }

    @Test func aJournalKeepsWhatIsWaitedForAndStaysSmall() throws {
        let folder = try Folder()
        let path = folder.path + "/journal"
        let journal = try LauncherJournal(path)
        let kept = Self.exit
        for _ in 0..<5000 {
            journal.append(Self.exit, waiting: [kept])
            journal.forget(waiting: [kept])
        }
        let read = try LauncherJournal.read(path).exits
        #expect(read.first == kept)
        #expect(try Files.read(path).count < 200_000)
        for _ in 0..<5000 { journal.append(Self.exit, waiting: [kept]) }
        journal.forget(waiting: [])
        #expect(try LauncherJournal.read(path).exits.isEmpty)
    }

    @Test func aJournalIsReadUpToItsTornEnd() throws {
        let folder = try Folder()
        let record = LauncherJournal.record(Self.exit)
        let path = folder.path + "/journal"
        for torn in [0, 1, 7, 8, 9, record.count - 1] {
            try Files.writeAtomically(path, record + record + record.prefix(torn), durable: false)
            #expect(try LauncherJournal.read(path).exits == [Self.exit, Self.exit])
        }
        #expect(try LauncherJournal.read(folder.path + "/none").exits.isEmpty)
    }

    @Test func aJournalWithAWrongBitHasTheOtherRecordsAndNoOther() throws {
        let folder = try Folder()
        let path = folder.path + "/journal"
        let exits = (0..<3).map { number in
            ContainerExit(id: "1_\(number).1", status: .code(1), started: 1, ended: 2)
        }
        let whole = exits.flatMap(LauncherJournal.record)
        let size = whole.count / 3
        for place in whole.indices {
            for bit in 0..<8 {
                var wrong = whole
                wrong[place] ^= 1 << UInt8(bit)
                try Files.writeAtomically(path, wrong, durable: false)
                let contents = try LauncherJournal.read(path)
                #expect(contents.exits == exits.filter { $0.id != "1_\(place / size).1" })
                #expect(contents.unreadable == size, "bit \(bit) of byte \(place)")
            }
        }
    }

    @Test func aJournalOfAnOlderLauncherIsRead() throws {
        let folder = try Folder()
        let path = folder.path + "/journal"
        var body = WireWriter()
        Self.exit.write(to: &body)
        var header = WireWriter()
        header.put(body.bytes.count)
        let record = header.bytes + body.bytes
        try Files.writeAtomically(path, record + record + [1, 2], durable: false)
        let contents = try LauncherJournal.read(path)
        #expect(contents.exits == [Self.exit, Self.exit] && contents.unreadable == 2)
    }
}

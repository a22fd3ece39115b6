import Glibc
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// D-Bus messages as bytes, limits as properties.
struct DBusTests {
    /// The specification's own layout: a reply to call 7 with the body ("/job/1", "done").
    @Test func aMessageIsReadByItsSpecification() throws {
        var body = DBusWriter()
        body.put("/job/1")
        body.put("done")
        var message = DBusWriter()
        for byte in [UInt8(ascii: "l"), 2, 0, 1] { message.put(byte) }
        message.put(UInt32(body.bytes.count))
        message.put(UInt32(3))
        message.putArray(of: 8) {
            $0.put(UInt8(5))
            $0.put(signature: "u")
            $0.put(UInt32(7))
            $0.align(8)
            $0.put(UInt8(8))
            $0.put(signature: "g")
            $0.put(signature: "os")
        }
        message.align(8)
        let bytes = message.bytes + body.bytes
        #expect(DBusMessage.length(bytes) == bytes.count)
        let read = try DBusMessage(bytes)
        #expect(read.kind == .reply)
        #expect(read.replyTo == 7)
        #expect(read.strings == ["/job/1", "done"])
        for cut in 0..<bytes.count {
            #expect(throws: SystemError.self, "cut at \(cut)") {
                let message = try DBusMessage(Array(bytes[..<cut]))
                if message.strings.count < 2 { throw DBusReader.malformed }
            }
        }
    }

    @Test func valuesAreAlignedAsTheSpecificationHasThem() {
        var writer = DBusWriter()
        writer.put(.properties([("A", .uint64(1)), ("B", .bytes([9]))]))
        #expect(
            writer.bytes == [
                // Length of the elements, what aligns the first one not counted.
                41, 0, 0, 0, 0, 0, 0, 0,
                1, 0, 0, 0, 65, 0, 1, 116, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
                1, 0, 0, 0, 66, 0, 2, 97, 121, 0, 0, 0, 1, 0, 0, 0, 9,
            ])
    }

    @Test(
        arguments: [
            ("0", [1]), ("0-2,8", [7, 1]), ("3", [8]), ("15", [0, 128]),
        ] as [(String, [UInt8])])
    func cpuListsBecomeMasks(list: String, mask: [UInt8]) throws {
        #expect(try SystemdProperties.mask(list, "cpu.cpus") == mask)
    }

    @Test(arguments: ["", "a", "2-1", "0,", "-1", "0-70000"])
    func whatIsNoCPUListIsRefused(list: String) {
        let error = #expect(throws: SystemError.self) {
            try SystemdProperties.mask(list, "cpu.cpus")
        }
        #expect(error?.subject == "linux.resources.cpu.cpus")
    }

    @Test func limitsBecomeProperties() throws {
        var resources = ResourcesSpec()
        resources.memory.limit = 100
        resources.memory.swap = 150
        resources.cpu.shares = 1024
        resources.cpu.quota = 12_345
        resources.cpu.period = 100_000
        resources.pidsLimit = -1
        resources.unified = ["memory.high": "70", "memory.min": "x", "io.max": "1"]
        let limits = try SystemdProperties.limits(resources)
        #expect(
            limits.map(\.name) == [
                "MemoryMax", "MemorySwapMax", "TasksMax", "CPUWeight", "CPUQuotaPerSecUSec",
                "CPUQuotaPeriodUSec", "MemoryHigh",
            ])
        #expect(
            limits.map(\.value)
                == [100, 50, .max, 100, 130_000, 100_000, 70].map { DBusValue.uint64($0) })
    }
}

/// The systemd that a test may ask.
enum LiveSystemd {
    static let isUser = geteuid() != 0
    static let isThere = Files.exists(
        (isUser ? "/run/user/\(geteuid())" : "/run") + "/systemd/private")
}

/// Scopes of the systemd that runs this machine, or of the user's own, where one does.
@Suite(
    .enabled(if: LiveSystemd.isThere, "no systemd runs here for this user"),
    .timeLimit(.minutes(2)),
    .serialized)
struct SystemdScopeTests {
    private func request(_ name: String) -> CgroupRequest {
        var request = CgroupRequest(
            id: name, manager: .systemd, path: "martlet.slice:test:\(name)",
            isRootless: LiveSystemd.isUser)
        var resources = ResourcesSpec()
        resources.memory.limit = 64 << 20
        resources.pidsLimit = 11
        resources.cpu.shares = 512
        // systemd hands cpu, memory and pids on to its users, and no more unless it is told to.
        if !LiveSystemd.isUser { resources.cpu.cpus = "0" }
        resources.unified = ["memory.high": "\(32 << 20)"]
        request.resources = resources
        return request
    }

    @Test func aScopeHoldsItsProcessWithItsLimitsAndGoesWithIt() throws {
        let sleeper = try Sleeper()
        var cgroup = try ContainerCgroup.make(request("life"))
        #expect(try cgroup.openForClone() == nil)
        try cgroup.admit(sleeper.pid, isCloned: false)
        let directory = try #require(cgroup.unified)
        #expect(directory.hasSuffix("/martlet.slice/test-life.scope"))
        #expect(cgroup.processes == [sleeper.pid])
        for (file, value) in [
            ("memory.max", "\(64 << 20)"), ("pids.max", "11"), ("cpu.weight", "59"),
            ("cpuset.cpus", "0"), ("memory.high", "\(32 << 20)"),
        ] where file != "cpuset.cpus" || !LiveSystemd.isUser {
            #expect(CgroupFile.words(directory + "/" + file) == [value], "\(file)")
        }
        let again = try ContainerCgroup(record: cgroup.record)
        #expect(again == cgroup)
        var update = ResourcesSpec()
        update.pidsLimit = 22
        _ = try again.update(update)
        // systemd knows, too, and a reload does not bring the old limit back.
        let reload = try SystemdConnection(isUser: LiveSystemd.isUser).call("Reload")
        guard case .success = reload else {
            Issue.record("\(reload)")
            return
        }
        #expect(CgroupFile.words(directory + "/pids.max") == ["22"])
        #expect(CgroupFile.words(directory + "/memory.high") == ["\(32 << 20)"])
        try again.freeze()
        try again.signal(SIGKILL)
        #expect(sleeper.wait() == SIGKILL)
        try again.remove()
        #expect(!Files.exists(directory))
        // Gone already is no error.
        try again.remove()
    }

    @Test func aScopeOfTheSameNameIsRefused() throws {
        let (first, second) = (try Sleeper(), try Sleeper())
        var cgroup = try ContainerCgroup.make(request("twice"))
        try cgroup.admit(first.pid, isCloned: false)
        var other = try ContainerCgroup.make(request("twice"))
        let error = #expect(throws: SystemError.self) {
            try other.admit(second.pid, isCloned: false)
        }
        #expect(error?.errno == EBUSY)
        #expect(cgroup.processes == [first.pid])
        try cgroup.signal(SIGKILL)
        try cgroup.remove()
        #expect(first.wait() != nil)
    }

    @Test func whatSystemdRefusesLeavesNoScope() throws {
        let sleeper = try Sleeper()
        var asked = request("bad")
        asked.resources?.unified = ["memory.nonsense": "1"]
        var cgroup = try ContainerCgroup.make(asked)
        let error = #expect(throws: SystemError.self) {
            try cgroup.admit(sleeper.pid, isCloned: false)
        }
        #expect(error?.subject == "linux.resources.unified[memory.nonsense]")
        #expect(sleeper.wait() == SIGKILL)
        // No unit of that name stands in the way of the next one.
        asked.resources?.unified = [:]
        let next = try Sleeper()
        var second = try ContainerCgroup.make(asked)
        try second.admit(next.pid, isCloned: false)
        try second.signal(SIGKILL)
        try second.remove()
    }
}

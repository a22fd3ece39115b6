import OCIRuntimeSpec
import Testing

/// What a sound document means.
@Suite struct DocumentTests {
    func spec(_ text: String) throws -> RuntimeSpec { try RuntimeSpec(json: Array(text.utf8)) }

    @Test func `podman's document is taken`() throws {
        let spec = try spec(Documents.podman)
        let process = try #require(spec.process)
        #expect(process.user.umask == 0o022)
        #expect(process.env.last == "EMPTY=")
        #expect(process.capabilities?.bounding == 1 << 0 | 1 << 5)
        #expect(process.capabilities?.inheritable == 0)
        #expect(
            process.rlimits == [
                RlimitSpec(resource: 7, soft: 1024, hard: 1_048_576),
                RlimitSpec(resource: 8, soft: .max, hard: .max),
            ])
        #expect(spec.mounts.map(\.destination) == ["/proc", "/t", "/sys/fs/cgroup"])
        #expect(spec.linux.devices.first?.fileMode == 0o600)
        #expect(spec.linux.resources?.devices.first?.kind == "a")
        #expect(spec.linux.resources?.devices.last?.minor == 229)
        #expect(
            spec.linux.namespaces.map(\.path) == [nil, "/run/netns/netns-1", nil, nil, nil])
        #expect(spec.linux.seccomp?.syscalls.last?.args.first?.value == 4_294_967_295)
    }

    @Test func `what docker leaves out, or writes as nothing, is not there`() throws {
        let spec = try spec(Documents.docker)
        #expect(spec.process?.apparmorProfile == nil)
        #expect(spec.process?.consoleSize == nil, "to be ignored without a terminal")
        #expect(spec.process?.oomScoreAdj == 0)
        #expect(spec.hooks.prestart.first?.path == "/proc/18254/exe")
        #expect(spec.hooks.poststop.isEmpty)
        #expect(spec.annotations.isEmpty)
        #expect(spec.linux.namespaces == [NamespaceSpec(kind: .mount)])
        #expect(spec.linux.mountLabel == nil)
        let rule = try #require(spec.linux.resources?.devices.first)
        #expect(rule.major == 13)
        #expect(rule.minor == nil)
        #expect(spec.linux.resources?.pidsLimit == nil)
        #expect(spec.linux.resources?.memory.disableOOMKiller == false)
    }

    @Test func `every field of a process is read`() throws {
        let spec = try spec(Documents.everyField)
        let process = try #require(spec.process)
        #expect(process.terminal)
        #expect(process.consoleSize?.height == 24)
        #expect(process.consoleSize?.width == 80)
        #expect(process.cwd == "/w")
        #expect(process.env == ["A=1", "B==x="])
        #expect(process.args == ["sh", "-c", "true"])
        #expect(process.user.gid == 4_294_967_294)
        #expect(process.user.additionalGids == [5, 6])
        let sets = try #require(process.capabilities)
        #expect(sets.bounding == 1 | 1 << 40)
        #expect(sets.effective == 1 << 5)
        #expect(sets.inheritable == 1 << 39)
        #expect(sets.permitted == 1 << 21)
        #expect(sets.ambient == 1 << 13)
        #expect(process.rlimits == [RlimitSpec(resource: 15, soft: 0, hard: 1 << 63)])
        #expect(process.noNewPrivileges)
        #expect(process.apparmorProfile == "a")
        #expect(process.selinuxLabel == "s")
        #expect(process.oomScoreAdj == -1000)
        let scheduler = try #require(process.scheduler)
        #expect(scheduler.policy == 6)
        #expect(scheduler.nice == -20)
        #expect(scheduler.flags == 0x41)
        #expect([scheduler.runtime, scheduler.deadline, scheduler.period] == [1, 2, 3])
        #expect(process.ioPriority == IOPrioritySpec(schedulingClass: 3, priority: 7))
        #expect(process.execCPUAffinity.initial == "0-1")
        #expect(process.execCPUAffinity.final == "2, 3")
    }

    @Test func `every field beside the process is read`() throws {
        let spec = try spec(Documents.everyField)
        #expect(spec.root?.readonly == true)
        #expect(spec.domainname == "d")
        #expect(spec.mounts.first?.destination == "/relative/path")
        #expect(
            spec.mounts.first?.gidMappings == [IDMapping(containerID: 0, hostID: 2000, size: 20)])
        let hooks = [
            spec.hooks.prestart, spec.hooks.createRuntime, spec.hooks.createContainer,
            spec.hooks.startContainer, spec.hooks.poststart, spec.hooks.poststop,
        ]
        #expect(hooks.map { $0.map(\.path) } == (1...6).map { ["/\($0)"] })
        #expect(spec.hooks.createRuntime.first?.args == ["2", "x"])
        #expect(spec.hooks.createRuntime.first?.timeout == 5)
        #expect(spec.hooks.prestart.first?.timeout == nil)
        #expect(spec.annotations == ["k": "", "org.x/y": "v"])
    }

    @Test func `every field of linux is read`() throws {
        let linux = try spec(Documents.everyField).linux
        #expect(linux.namespaces.map(\.kind) == [.user, .time, .cgroup])
        #expect(linux.uidMappings.first?.hostID == 100_000)
        #expect(linux.gidMappings.first?.size == 4_294_967_295)
        #expect(linux.timeOffsets["monotonic"] == TimeOffset(seconds: -5, nanoseconds: 0))
        #expect(linux.timeOffsets["boottime"]?.nanoseconds == 999_999_999)
        #expect(linux.devices.map(\.kind) == [.character, .block, .fifo])
        #expect(linux.devices.first?.fileMode == 0o666)
        #expect(linux.netDevices == ["eth7": "lan", "eth8": "eth8"])
        #expect(linux.cgroupsPath == "a.slice:b:c")
        #expect(linux.sysctl == ["kernel.x": "1"])
        #expect(linux.rootfsPropagation == "rslave")
        #expect(linux.personality?.domain == "LINUX32")
        #expect(linux.intelRdt?.enableMonitoring == true)
        #expect(linux.memoryPolicy?.flags == ["MPOL_F_STATIC_NODES"])
        let seccomp = try #require(linux.seccomp)
        #expect(seccomp.defaultErrnoRet == 1)
        #expect(seccomp.listenerMetadata == "m")
        var argument = SeccompSpec.Argument(index: 5, value: .max, op: "SCMP_CMP_MASKED_EQ")
        argument.valueTwo = 1 << 63
        #expect(seccomp.syscalls.first?.args == [argument])
    }

    @Test func `every field of resources is read`() throws {
        let resources = try #require(try spec(Documents.everyField).linux.resources)
        #expect(resources.memory.reservation == -1)
        #expect(resources.memory.kernelTCP == 5)
        #expect(resources.memory.checkBeforeUpdate == true)
        #expect(resources.cpu.burst == 2)
        #expect(resources.cpu.realtimePeriod == 6)
        #expect(resources.cpu.idle == 1)
        #expect(resources.pidsLimit == -1)
        let io = try #require(resources.blockIO)
        #expect(io.weightDevices.first?.value == 30)
        #expect(io.weightDevices.first?.leafWeight == 40)
        let throttled = [io.readBps, io.writeBps, io.readIOPS, io.writeIOPS].map(\.first)
        #expect(throttled.map { $0?.minor } == [1, 2, 3, 4])
        #expect(throttled.map { $0?.value } == [1, 2, 3, 4])
        #expect(resources.hugepageLimits == [HugepageLimit(pageSize: "2MB", limit: .max)])
        #expect(resources.network?.priorities == ["eth0": 500])
        #expect(resources.rdma["mlx5_1"]?.hcaObjects == 10000)
        #expect(resources.unified["io.max"] == "259:0 rbps=1\n253:0 rbps=2")
    }

    @Test func `resources are a document of their own, too`() throws {
        let json = Array(#"{"memory":{"limit":1048576},"unified":{"pids.max":"5"}}"#.utf8)
        #expect(try ResourcesSpec(json: json).memory.limit == 1_048_576)
        #expect(throws: SpecError.self) {
            try ResourcesSpec(json: Array(#"{"memory":{"limit":"1M"}}"#.utf8))
        }
    }
}

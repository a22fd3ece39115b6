import OCIRuntimeSpec
import Testing

/// config-linux.md, a row a rule.
@Suite struct LinuxRuleTests {
    @Test("namespaces and id maps", arguments: LinuxRuleTests.namespacesRules) func namespaces(
        bad: BadDocument
    ) {
        bad.expectRefusal()
    }
    @Test("devices, paths and the rest", arguments: LinuxRuleTests.otherRules) func other(
        bad: BadDocument
    ) {
        bad.expectRefusal()
    }
    @Test("resources", arguments: LinuxRuleTests.resourcesRules) func resources(bad: BadDocument) {
        bad.expectRefusal()
    }
    @Test("seccomp", arguments: LinuxRuleTests.seccompRules) func seccomp(bad: BadDocument) {
        bad.expectRefusal()
    }

    static let namespacesRules: [BadDocument] = [
        .linux(#""namespaces":[{}]"#, "namespaces[0].type", "missing"),
        .linux(#""namespaces":[{"type":"disk"}]"#, "namespaces[0].type", "disk is no namespace"),
        .linux(
            #""namespaces":[{"type":"pid"},{"type":"ipc"},{"type":"pid"}]"#, "namespaces[2].type",
            "pid is given twice"),
        .linux(
            #""namespaces":[{"type":"pid","path":"proc/1"}]"#, "namespaces[0].path",
            "proc/1 is no absolute path"),
        .linux(#""uidMappings":[{"hostID":0,"size":1}]"#, "uidMappings[0].containerID", "missing"),
        .linux(#""gidMappings":[{"containerID":0,"size":1}]"#, "gidMappings[0].hostID", "missing"),
        .linux(#""uidMappings":[{"containerID":0,"hostID":0}]"#, "uidMappings[0].size", "missing"),
        .linux(
            #""uidMappings":[{"containerID":0,"hostID":0,"size":0}]"#, "uidMappings[0].size",
            "0 is not within 1...4294967295"),
        .linux(
            #""uidMappings":[{"containerID":4294967295,"hostID":0,"size":1}]"#,
            "uidMappings[0].containerID", "4294967295 is not within 0...4294967294"),
        .linux(
            #""uidMappings":[{"containerID":0,"hostID":4294967294,"size":2}]"#, "uidMappings[0]",
            "reaches beyond id 4294967294"),
        .linux(
            #""uidMappings":[{"containerID":0,"hostID":0,"size":10},{"containerID":9,"hostID":100,"size":1}]"#,
            "uidMappings[1]", "overlaps [0]"),
        .linux(
            #""gidMappings":[{"containerID":5,"hostID":50,"size":5},{"containerID":0,"hostID":46,"size":5}]"#,
            "gidMappings[1]", "overlaps [0]"),
        .linux(
            #""uidMappings":[\#(mappings(341))]"#, "uidMappings", "more than 340 mappings"),
        .linux(
            #""timeOffsets":{"realtime":{}}"#, "timeOffsets.realtime",
            "realtime is no clock of a time namespace"),
        .linux(
            #""timeOffsets":{"boottime":{"nanosecs":1000000000}}"#, "timeOffsets.boottime.nanosecs",
            "1000000000 is not within 0...999999999"),
    ]

    static func mappings(_ count: Int) -> String {
        (0..<count).map { #"{"containerID":\#($0),"hostID":\#($0),"size":1}"# }
            .joined(separator: ",")
    }

    static let otherRules: [BadDocument] = [
        .linux(#""devices":[{"path":"/d"}]"#, "devices[0].type", "missing"),
        .linux(#""devices":[{"type":"c"}]"#, "devices[0].path", "missing"),
        .linux(
            #""devices":[{"type":"d","path":"/d"}]"#, "devices[0].type", "d is no type of device"),
        .linux(
            #""devices":[{"type":"p","path":"d"}]"#, "devices[0].path", "d is no absolute path"),
        .linux(#""devices":[{"type":"b","path":"/d"}]"#, "devices[0].major", "missing"),
        .linux(#""devices":[{"type":"u","path":"/d","major":1}]"#, "devices[0].minor", "missing"),
        .linux(
            #""devices":[{"type":"c","path":"/d","major":4096,"minor":0}]"#, "devices[0].major",
            "4096 is not within 0...4095"),
        .linux(
            #""devices":[{"type":"p","path":"/d","uid":-1}]"#, "devices[0].uid",
            "-1 is not within 0...4294967294"),
        .linux(
            #""netDevices":{"a/b":{}}"#, "netDevices[a/b]",
            "a/b is no name of a network interface"),
        .linux(
            #""netDevices":{"eth0":{"name":"a name that is long"}}"#, "netDevices.eth0.name",
            "a name that is long is no name of a network interface"),
        .linux(#""cgroupsPath":"/a/../b""#, "cgroupsPath", "leads upwards through .."),
        .linux(#""cgroupsPath":1"#, "cgroupsPath", "must be a string, not a number"),
        .linux(#""sysctl":{"a.b":1}"#, "sysctl[a.b]", "must be a string, not a number"),
        .linux(
            #""rootfsPropagation":"some""#, "rootfsPropagation", "some is no mount propagation"),
        .linux(#""maskedPaths":["proc"]"#, "maskedPaths[0]", "proc is no absolute path"),
        .linux(#""readonlyPaths":["/a",""]"#, "readonlyPaths[1]", "is empty"),
        .linux(#""mountLabel":true"#, "mountLabel", "must be a string, not true or false"),
        .linux(#""personality":{}"#, "personality.domain", "missing"),
        .linux(
            #""personality":{"domain":"BSD"}"#, "personality.domain", "BSD is no execution domain"),
        .linux(
            #""personality":{"domain":"LINUX","flags":["X"]}"#, "personality.flags[0]",
            "X is no flag of a personality"),
        .linux(#""memoryPolicy":{"nodes":"0"}"#, "memoryPolicy.mode", "missing"),
        .linux(
            #""memoryPolicy":{"mode":"MPOL_BEST"}"#, "memoryPolicy.mode",
            "MPOL_BEST is no memory policy"),
        .linux(
            #""memoryPolicy":{"mode":"MPOL_BIND","nodes":"all"}"#, "memoryPolicy.nodes",
            "all is no list such as 0-3,8"),
        .linux(
            #""memoryPolicy":{"mode":"MPOL_BIND","nodes":"0","flags":["F"]}"#,
            "memoryPolicy.flags[0]", "F is no flag of a memory policy"),
        .linux(
            #""intelRdt":{"closID":"../x"}"#, "intelRdt.closID", "../x is no name of a directory"),
        .linux(
            #""intelRdt":{"memBwSchema":"L3:0=f"}"#, "intelRdt.memBwSchema",
            "does not begin with MB:"),
        .linux(
            #""intelRdt":{"schemata":["a\nb"]}"#, "intelRdt.schemata[0]", "more than one line"),
    ]

    static let resourcesRules: [BadDocument] = [
        .resources(#""devices":[{"access":"r"}]"#, "devices[0].allow", "missing"),
        .resources(
            #""devices":[{"allow":true,"type":"x"}]"#, "devices[0].type", "x is no type of device"),
        .resources(
            #""devices":[{"allow":true,"major":-2}]"#, "devices[0].major",
            "-2 is not within -1...4095"),
        .resources(
            #""devices":[{"allow":true,"access":"rx"}]"#, "devices[0].access",
            "rx is more than r, w and m"),
        .resources(
            #""memory":{"limit":-2}"#, "memory.limit",
            "-2 is not within -1...9223372036854775807"),
        .resources(
            #""memory":{"limit":9223372036854775808}"#, "memory.limit",
            "9223372036854775808 is not within -1...9223372036854775807"),
        .resources(
            #""memory":{"swappiness":101}"#, "memory.swappiness", "101 is not within 0...100"),
        .resources(
            #""cpu":{"shares":-1}"#, "cpu.shares", "-1 is not within 0...18446744073709551615"),
        .resources(#""cpu":{"cpus":"x"}"#, "cpu.cpus", "x is no list such as 0-3,8"),
        .resources(#""cpu":{"idle":2}"#, "cpu.idle", "2 is not within 0...1"),
        .resources(#""cpu":{"quota":10,"burst":11}"#, "cpu.burst", "is above quota"),
        .resources(
            #""pids":{"limit":"many"}"#, "pids.limit", "must be a number, not a string"),
        .resources(
            #""blockIO":{"weight":65536}"#, "blockIO.weight", "65536 is not within 0...65535"),
        .resources(
            #""blockIO":{"weightDevice":[{"major":8,"minor":0}]}"#, "blockIO.weightDevice[0]",
            "neither weight nor leafWeight is given"),
        .resources(
            #""blockIO":{"throttleReadBpsDevice":[{"major":8,"minor":0}]}"#,
            "blockIO.throttleReadBpsDevice[0].rate", "missing"),
        .resources(
            #""blockIO":{"throttleWriteIOPSDevice":[{"minor":0,"rate":1}]}"#,
            "blockIO.throttleWriteIOPSDevice[0].major", "missing"),
        .resources(
            #""hugepageLimits":[{"limit":1}]"#, "hugepageLimits[0].pageSize", "missing"),
        .resources(
            #""hugepageLimits":[{"pageSize":"2MB"}]"#, "hugepageLimits[0].limit", "missing"),
        .resources(
            #""hugepageLimits":[{"pageSize":"../2MB","limit":1}]"#, "hugepageLimits[0].pageSize",
            "../2MB is no size such as 2MB"),
        .resources(
            #""network":{"classID":4294967296}"#, "network.classID",
            "4294967296 is not within 0...4294967295"),
        .resources(
            #""network":{"priorities":[{"name":"eth0"}]}"#, "network.priorities[0].priority",
            "missing"),
        .resources(
            #""rdma":{"mlx5_1":{}}"#, "rdma.mlx5_1", "neither hcaHandles nor hcaObjects is given"),
        .resources(
            #""unified":{"../x":"1"}"#, "unified[../x]", "../x is no file of a cgroup"),
        .resources(
            #""unified":{"memory.max":1}"#, "unified[memory.max]",
            "must be a string, not a number"),
    ]

    static func seccomp(_ properties: String, _ field: String, _ problem: String) -> BadDocument {
        .linux(
            #""seccomp":{"defaultAction":"SCMP_ACT_ERRNO",\#(properties)}"#, "seccomp." + field,
            problem)
    }

    static let seccompRules: [BadDocument] = [
        .linux(#""seccomp":{}"#, "seccomp.defaultAction", "missing"),
        .linux(
            #""seccomp":{"defaultAction":"ALLOW"}"#, "seccomp.defaultAction",
            "ALLOW is no action of seccomp"),
        .linux(
            #""seccomp":{"defaultAction":"SCMP_ACT_ALLOW","defaultErrnoRet":1}"#,
            "seccomp.defaultErrnoRet", "SCMP_ACT_ALLOW has no errno"),
        seccomp(
            #""defaultErrnoRet":65536"#, "defaultErrnoRet", "65536 is not within 0...65535"),
        seccomp(
            #""architectures":["SCMP_ARCH_Z80"]"#, "architectures[0]",
            "SCMP_ARCH_Z80 is no architecture"),
        seccomp(
            #""flags":["SECCOMP_FILTER_FLAG_X"]"#, "flags[0]",
            "SECCOMP_FILTER_FLAG_X is no flag of a filter"),
        seccomp(#""listenerMetadata":"x""#, "listenerMetadata", "given without listenerPath"),
        seccomp(#""syscalls":[{"names":["a"]}]"#, "syscalls[0].action", "missing"),
        seccomp(
            #""syscalls":[{"action":"SCMP_ACT_ALLOW"}]"#, "syscalls[0].names",
            "names no system call"),
        seccomp(
            #""syscalls":[{"names":["a"],"action":"SCMP_ACT_LOG","errnoRet":1}]"#,
            "syscalls[0].errnoRet", "SCMP_ACT_LOG has no errno"),
        seccomp(
            #""syscalls":[{"names":["a"],"action":"SCMP_ACT_ALLOW","args":[{"index":6,"value":0,"op":"SCMP_CMP_EQ"}]}]"#,
            "syscalls[0].args[0].index", "6 is not within 0...5"),
        seccomp(
            #""syscalls":[{"names":["a"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":-1,"op":"SCMP_CMP_EQ"}]}]"#,
            "syscalls[0].args[0].value", "-1 is not within 0...18446744073709551615"),
        seccomp(
            #""syscalls":[{"names":["a"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"op":"SCMP_CMP_EQ"}]}]"#,
            "syscalls[0].args[0].value", "missing"),
        seccomp(
            #""syscalls":[{"names":["a"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":0,"op":"SCMP_CMP_XX"}]}]"#,
            "syscalls[0].args[0].op", "SCMP_CMP_XX is no operator"),
    ]
}

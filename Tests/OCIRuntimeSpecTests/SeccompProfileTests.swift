import Testing

@testable import OCIRuntimeSpec

/// Docker's form of a filter: which rules are a container's is decided where it runs.
@Suite struct SeccompProfileTests {
    private static func profile(_ rest: String) throws(SpecError) -> SeccompProfile {
        let json = #"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,"# + rest + "}"
        return try SeccompProfile(json: Array(json.utf8), name: "p.json")
    }

    private static let here = SeccompProfile.Surroundings(
        capabilities: CapabilitiesSpec.mask(["CAP_CHOWN", "CAP_SYS_CHROOT"]),
        architecture: "amd64", architectureName: "SCMP_ARCH_X86_64", kernel: KernelVersion(5, 10))

    /// The names that are allowed here by rules of these conditions, each allowing one call.
    private func names(_ conditions: [String]) throws -> [String] {
        let rules = conditions.enumerated().map {
            #"{"names":["\#($0)"],"action":"SCMP_ACT_ALLOW",\#($1)}"#
        }
        let profile = try Self.profile(#""syscalls":[\#(rules.joined(separator: ","))]"#)
        return profile.spec(in: Self.here).syscalls.flatMap(\.names)
    }

    @Test func rulesHoldWhereAllThatTheyIncludeIsThereAndNothingThatTheyExclude() throws {
        let includes = [
            #""includes":{}"#, #""includes":{"caps":["CAP_CHOWN"]}"#,
            #""includes":{"caps":["CAP_CHOWN","CAP_SYS_ADMIN"]}"#,
            #""includes":{"arches":["arm64","amd64"]}"#, #""includes":{"arches":["s390x"]}"#,
            #""includes":{"minKernel":"5.10"}"#, #""includes":{"minKernel":"5.9"}"#,
            #""includes":{"minKernel":"5.11"}"#,
            #""includes":{"caps":["CAP_CHOWN"],"arches":["amd64"],"minKernel":"6.0"}"#,
        ]
        #expect(try names(includes) == ["0", "1", "3", "5", "6"])
        let excludes = [
            #""excludes":{}"#, #""excludes":{"caps":["CAP_SYS_ADMIN"]}"#,
            #""excludes":{"caps":["CAP_SYS_ADMIN","CAP_CHOWN"]}"#,
            #""excludes":{"arches":["amd64"]}"#, #""excludes":{"arches":["arm64"]}"#,
            #""excludes":{"minKernel":"4.8"}"#, #""excludes":{"minKernel":"6.1"}"#,
            #""includes":{"arches":["amd64"]},"excludes":{"caps":["CAP_CHOWN"]}"#,
        ]
        #expect(try names(excludes) == ["0", "1", "4", "6"])
    }

    @Test func aRuleSaysAllThatTheSpecificationKnows() throws {
        let profile = try Self.profile(
            #"""
            "flags":["SECCOMP_FILTER_FLAG_LOG"],"comment":"x","syscalls":[
             {"name":"clone","action":"SCMP_ACT_ERRNO","errnoRet":1,"comment":"old","includes":null,
              "args":[{"index":1,"value":2080505856,"valueTwo":3,"op":"SCMP_CMP_MASKED_EQ"}]}]
            """#)
        let spec = profile.spec(in: Self.here)
        #expect(spec.defaultAction == "SCMP_ACT_ERRNO" && spec.defaultErrnoRet == 38)
        #expect(spec.flags == ["SECCOMP_FILTER_FLAG_LOG"])
        var rule = SeccompSpec.Rule(names: ["clone"], action: "SCMP_ACT_ERRNO")
        rule.errnoRet = 1
        rule.args = [.init(index: 1, value: 2_080_505_856, op: "SCMP_CMP_MASKED_EQ")]
        rule.args[0].valueTwo = 3
        #expect(spec.syscalls == [rule])
    }

    @Test func ofArchitecturesTheMachinesOwnFamilyIsTaken() throws {
        let map = try Self.profile(
            #"""
            "archMap":[{"architecture":"SCMP_ARCH_AARCH64","subArchitectures":["SCMP_ARCH_ARM"]},
            {"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X86","SCMP_ARCH_X32"]}]
            """#)
        #expect(
            map.spec(in: Self.here).architectures == [
                "SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32",
            ])
        let list = try Self.profile(#""architectures":["SCMP_ARCH_X86"]"#)
        #expect(list.spec(in: Self.here).architectures == ["SCMP_ARCH_X86"])
    }

    @Test(arguments: [
        (#""syscalls":[{"names":["a"],"action":"DENY"}]"#, "syscalls[0].action"),
        (#""syscalls":[{"names":[],"action":"SCMP_ACT_ALLOW"}]"#, "syscalls[0].names"),
        (
            #""syscalls":[{"name":"a","names":["b"],"action":"SCMP_ACT_ALLOW"}]"#,
            "syscalls[0].name"
        ),
        (#""syscalls":[{"names":["a"]}]"#, "syscalls[0].action"),
        (#""syscalls":[{"names":["a"],"action":"SCMP_ACT_NOTIFY"}]"#, "syscalls[0].action"),
        (
            #""syscalls":[{"names":["a"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["SYS"]}}]"#,
            "syscalls[0].includes.caps[0]"
        ),
        (
            #""syscalls":[{"names":["a"],"action":"SCMP_ACT_ALLOW","excludes":{"minKernel":"5"}}]"#,
            "syscalls[0].excludes.minKernel"
        ),
        (#""archMap":[{"architecture":"amd64"}]"#, "archMap[0].architecture"),
        (
            #""architectures":["SCMP_ARCH_X86"],"archMap":[{"architecture":"SCMP_ARCH_X86_64"}]"#,
            "archMap"
        ),
    ])
    func mistakesAreToldByTheirField(rest: String, field: String) {
        #expect {
            try Self.profile(rest)
        } throws: {
            let error = $0 as? SpecError
            return error?.field == field && error?.document == "p.json"
        }
    }
}

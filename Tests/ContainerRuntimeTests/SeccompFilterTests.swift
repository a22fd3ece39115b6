import Glibc
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// Profiles become filters, and filters hold in live processes.
@Suite(.enabled(if: RawCall.isPossible, RawCall.reason), .timeLimit(.minutes(1)))
struct SeccompFilterTests {
    // asm/unistd_64.h.
    static let (lseek, getppid, mkdir, keyctl): (UInt32, UInt32, UInt32, UInt32) = (8, 110, 83, 250)
    static let sigsys: Int32 = 31

    static func profile(_ rules: SeccompSpec.Rule..., otherwise: String = "SCMP_ACT_ALLOW")
        -> SeccompSpec
    {
        var spec = SeccompSpec(defaultAction: otherwise)
        spec.syscalls = rules
        return spec
    }

    static func rule(
        _ names: [String], _ action: String, errno: UInt32? = nil,
        _ arguments: [SeccompSpec.Argument] = []
    ) -> SeccompSpec.Rule {
        var rule = SeccompSpec.Rule(names: names, action: action)
        rule.errnoRet = errno
        rule.args = arguments
        return rule
    }

    static func argument(_ index: UInt32, _ op: String, _ value: UInt64, _ second: UInt64 = 0)
        -> SeccompSpec.Argument
    {
        var argument = SeccompSpec.Argument(index: index, value: value, op: "SCMP_CMP_" + op)
        argument.valueTwo = second
        return argument
    }

    @Test(
        arguments: [
            ("SCMP_ACT_KILL", nil, End.signal(sigsys)),
            ("SCMP_ACT_KILL_THREAD", nil, .signal(sigsys)),
            ("SCMP_ACT_KILL_PROCESS", nil, .signal(sigsys)),
            ("SCMP_ACT_TRAP", nil, .code(RawCall.trapped)),
            ("SCMP_ACT_ERRNO", nil, .code(EPERM)), ("SCMP_ACT_ERRNO", 71, .code(71)),
            // seccomp(2): without a tracer the call fails with ENOSYS.
            ("SCMP_ACT_TRACE", 5, .code(ENOSYS)),
            ("SCMP_ACT_ALLOW", nil, .code(0)), ("SCMP_ACT_LOG", nil, .code(0)),
        ] as [(String, UInt32?, End)])
    func everyActionHappens(action: String, errno: UInt32?, end: End) throws {
        let filter = try SeccompFilter(
            compiling: Self.profile(Self.rule(["getppid"], action, errno: errno)))
        #expect(
            try Confined.end(filter, RawCall(Self.getppid, catches: true)) == end)
        #expect(try Confined.end(filter, RawCall(39)) == .code(0))
    }

    @Test(
        arguments: [
            ("NE", 5, 0, [4, 1 << 40 | 5], [5]), ("LT", 5, 0, [4, 0], [5, 1 << 40]),
            ("LE", 5, 0, [5], [6, 1 << 32]), ("EQ", 5, 0, [5], [4, 1 << 32 | 5]),
            ("GE", 1 << 33, 0, [1 << 33, 1 << 34], [1 << 32, 5]),
            ("GT", 1 << 33, 0, [1 << 33 | 1], [1 << 33]),
            ("MASKED_EQ", 0xf0, 0x30, [0x30, 0x3f, 1 << 40 | 0x35], [0x40, 0]),
        ] as [(String, UInt64, UInt64, [UInt64], [UInt64])])
    func everyOperatorCompares64Bits(
        op: String, value: UInt64, second: UInt64, matching: [UInt64], others: [UInt64]
    ) throws {
        let filter = try SeccompFilter(
            compiling: Self.profile(
                Self.rule(
                    ["lseek"], "SCMP_ACT_ERRNO", errno: 71, [Self.argument(1, op, value, second)])))
        for offset in matching {
            #expect(try Confined.end(filter, RawCall(Self.lseek, [999, offset, 0])) == .code(71))
        }
        for offset in others {
            #expect(
                try Confined.end(filter, RawCall(Self.lseek, [999, offset, 0])) == .code(EBADF))
        }
    }

    @Test func conditionsOnSeveralArgumentsMustAllHoldAndSeveralOnOneAreAlternatives() throws {
        let all = try SeccompFilter(
            compiling: Self.profile(
                Self.rule(
                    ["lseek"], "SCMP_ACT_ERRNO", errno: 71,
                    [Self.argument(1, "EQ", 3), Self.argument(2, "EQ", 1)])))
        let any = try SeccompFilter(
            compiling: Self.profile(
                Self.rule(
                    ["lseek"], "SCMP_ACT_ERRNO", errno: 71,
                    [Self.argument(1, "EQ", 3), Self.argument(1, "EQ", 4)])))
        func end(_ filter: SeccompFilter, _ offset: UInt64, _ whence: UInt64) throws -> End {
            try Confined.end(filter, RawCall(Self.lseek, [999, offset, whence]))
        }
        #expect(try end(all, 3, 1) == .code(71))
        #expect(try end(all, 3, 0) == .code(EBADF))
        #expect(try end(all, 4, 1) == .code(EBADF))
        #expect(try end(any, 3, 0) == .code(71))
        #expect(try end(any, 4, 0) == .code(71))
        #expect(try end(any, 5, 0) == .code(EBADF))
    }

    /// EPERM would read as a refusal where the program has an older call to fall back on.
    @Test func callsNewerThanTheProfileDoNotExist() throws {
        let spec = Self.profile(
            Self.rule(["execve", "exit"], "SCMP_ACT_ALLOW"),
            Self.rule(["openat2"], "SCMP_ACT_ERRNO", errno: 1), otherwise: "SCMP_ACT_ERRNO")
        let filter = try SeccompFilter(compiling: spec)
        // openat2 is 437.
        for (number, end) in [(UInt32(437), EPERM), (436, EPERM), (438, ENOSYS), (999, ENOSYS)] {
            #expect(try Confined.end(filter, RawCall(number)) == .code(end), "\(number)")
        }
        // Where the profile lets calls happen, it lets new ones happen.
        let open = try SeccompFilter(compiling: Self.profile(Self.rule(["mkdir"], "SCMP_ACT_KILL")))
        #expect(try Confined.end(open, RawCall(39)) == .code(0))
        #expect(open.outcome(999) == SeccompNames.Action.allow)
    }

    @Test func namesThatNobodyKnowsArePassedOverAndTold() throws {
        let filter = try SeccompFilter(
            compiling: Self.profile(
                Self.rule(["mkdir", "no_such_call", "nor_this"], "SCMP_ACT_ERRNO")))
        #expect(filter.unknown == ["no_such_call", "nor_this"])
        #expect(try Confined.end(filter, RawCall(Self.mkdir)) == .code(EPERM))
    }

    /// Without its rules a call of another architecture is none that was allowed.
    @Test func otherArchitecturesAreClosedUnlessListed() throws {
        let rules = Self.rule(["unshare"], "SCMP_ACT_ERRNO", errno: 71)
        var spec = Self.profile(rules)
        let closed = try SeccompFilter(compiling: spec)
        // unshare is 272 on x86-64, there with the bit of x32, and 310 on i386.
        let (x32, i386) = (RawCall(0x4000_0000 | 272), RawCall(310, gate: .int80))
        for call in [x32, i386] {
            #expect(try Confined.end(closed, call) == .signal(Self.sigsys))
        }
        spec.architectures = ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]
        let filtered = try SeccompFilter(compiling: spec)
        for call in [RawCall(272), x32, i386] {
            #expect(try Confined.end(filtered, call) == .code(71))
        }
    }

    @Test func flagsReachTheKernel() throws {
        var spec = Self.profile(Self.rule(["getppid"], "SCMP_ACT_ERRNO"))
        spec.flags = [
            "SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG",
            "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
        ]
        let filter = try SeccompFilter(compiling: spec)
        #expect(filter.flags == 1 | 2 | 4)
        #expect(try Confined.end(filter, RawCall(Self.getppid)) == .code(EPERM))
        spec.syscalls[0].action = "SCMP_ACT_NOTIFY"
        spec.listenerPath = "/run/supervisor"
        #expect(try SeccompFilter(compiling: spec).flags == 1 | 2 | 4 | 8 | 16 | 32)
    }

    struct Mistake: CustomTestStringConvertible {
        let field: String
        let problem: String
        let change: @Sendable (inout SeccompSpec) -> Void
        var testDescription: String { field + ": " + problem }
    }

    static let mistakes = [
        Mistake(field: "defaultAction", problem: "`ALLOW` is no action") {
            $0.defaultAction = "ALLOW"
        },
        Mistake(field: "defaultErrnoRet", problem: "takes no errno") { $0.defaultErrnoRet = 1 },
        Mistake(field: "architectures[1]", problem: "knows no `SCMP_ARCH_VAX`") {
            $0.architectures = ["SCMP_ARCH_X86", "SCMP_ARCH_VAX"]
        },
        Mistake(field: "architectures", problem: "cannot add") {
            $0.architectures = ["SCMP_ARCH_S390X"]
        },
        Mistake(field: "flags[0]", problem: "is no flag") { $0.flags = ["TSYNC"] },
        Mistake(field: "syscalls[0].names", problem: "is empty") { $0.syscalls[0].names = [] },
        Mistake(field: "syscalls[0].names[1]", problem: "no name") {
            $0.syscalls[0].names = ["mkdir", ""]
        },
        Mistake(field: "syscalls[0].action", problem: "`` is no action") {
            $0.syscalls[0].action = ""
        },
        Mistake(field: "syscalls[0].errnoRet", problem: "4096 is no error") {
            $0.syscalls[0].errnoRet = 4096
        },
        Mistake(field: "syscalls[0].errnoRet", problem: "SCMP_ACT_LOG takes no errno") {
            $0.syscalls[0].action = "SCMP_ACT_LOG"
            $0.syscalls[0].errnoRet = 1
        },
        Mistake(field: "syscalls[0].args[0].op", problem: "`SCMP_CMP_IS`") {
            $0.syscalls[0].args = [argument(0, "IS", 1)]
        },
        Mistake(field: "syscalls[0].args[1].index", problem: "6 is not within") {
            $0.syscalls[0].args = [argument(0, "EQ", 1), argument(6, "EQ", 1)]
        },
        Mistake(field: "syscalls[1]", problem: "an earlier rule says otherwise") {
            $0.syscalls = [
                rule(["mkdir"], "SCMP_ACT_ERRNO", [argument(0, "EQ", 1)]),
                rule(["mkdir"], "SCMP_ACT_TRAP", [argument(0, "EQ", 1)]),
            ]
        },
        Mistake(field: "listenerPath", problem: "needs a socket") {
            $0.syscalls[0].action = "SCMP_ACT_NOTIFY"
        },
        Mistake(field: "syscalls", problem: "sendmsg must be allowed") {
            $0.syscalls = [rule(["sendmsg"], "SCMP_ACT_NOTIFY")]
            $0.listenerPath = "/s"
        },
    ]

    @Test(arguments: mistakes)
    func aMistakeIsToldByItsField(mistake: Mistake) throws {
        var spec = Self.profile(Self.rule(["mkdir"], "SCMP_ACT_ERRNO"))
        mistake.change(&spec)
        let error = #expect(throws: SeccompError.self) { try SeccompFilter(compiling: spec) }
        #expect(error?.field == "linux.seccomp." + mistake.field)
        #expect(error?.problem.contains(mistake.problem) == true, "\(error?.problem ?? "")")
    }
}

extension SeccompFilter {
    /// What it answers on this machine.
    func outcome(_ number: UInt32, _ arguments: [UInt64]? = nil) -> UInt32? {
        FilterProgram(bytes: program).outcome(0xc000_003e, number, arguments)
    }
}

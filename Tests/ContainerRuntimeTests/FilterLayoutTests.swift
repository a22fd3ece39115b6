import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// The tree in front of libseccomp's program answers as that program does.
@Suite struct FilterLayoutTests {
    // linux/audit.h: x86-64, i386, arm, and one that no profile here lists.
    static let (x8664, i386, arm, mips): (UInt32, UInt32, UInt32, UInt32) = (
        0xc000_003e, 0x4000_0003, 0x4000_0028, 0x4000_0008
    )

    static let profiles: [SeccompSpec] = {
        var docker = SeccompSpec.docker(capabilities: Capabilities.docker)
        var foreign = docker
        foreign.architectures = ["SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_ARM"]
        foreign.syscalls.append(.allow(["breakpoint", "cacheflush"]))
        var open = SeccompFilterTests.profile(
            SeccompFilterTests.rule(["mkdir", "bind"], "SCMP_ACT_ERRNO", errno: 3),
            SeccompFilterTests.rule(
                ["shmget"], "SCMP_ACT_TRAP", [SeccompFilterTests.argument(2, "MASKED_EQ", 1, 1)]))
        open.architectures = ["SCMP_ARCH_X86"]
        let empty = SeccompSpec(defaultAction: "SCMP_ACT_KILL_PROCESS")
        return [docker, foreign, open, empty]
    }()

    @Test(arguments: profiles.indices)
    func everyCallIsAnsweredAsLibseccompAnswers(index: Int) throws {
        let spec = Self.profiles[index]
        let rules = try SeccompRules(spec)
        let whole = try SeccompContext.program(rules)
        let ours = FilterProgram(bytes: try SeccompFilter(compiling: spec).program)
        let unknown = SeccompNames.Action.errno | 38
        let values: [UInt64] = [
            0, 1, 2, 5, 8, 40, 0x0002_0000, 0x0200_0000, 0x7e02_0000, 0xffff_ffff, 1 << 32, .max,
        ]
        var differing = 0
        for architecture in [Self.x8664, Self.i386, Self.arm, Self.mips] {
            for number in numbers {
                for (turn, value) in values.enumerated() where number < 500 || turn % 6 == 0 {
                    var arguments = [UInt64](repeating: value, count: 6)
                    arguments[1] = values[(turn * 5 + Int(number % 7)) % values.count]
                    arguments[2] = values[(turn * 7 + Int(number % 5)) % values.count]
                    let expected = whole.outcome(architecture, number, arguments)
                    let answer = ours.outcome(architecture, number, arguments)
                    // A number above all that anybody knows is one that libseccomp's program refuses.
                    let isNew = answer == unknown && expected == rules.defaultAction && number > 400
                    if answer != expected, !isNew { differing += 1 }
                }
            }
        }
        #expect(differing == 0)
    }

    private var numbers: [UInt32] {
        Array(0..<1100) + (0..<1100).map { 0x4000_0000 | $0 }
            + [
                2000, 0x000e_ffff, 0x000f_0001, 0x000f_0002, 0x000f_0006, 0x3fff_ffff, 0x7fff_ffff,
                .max,
            ]
    }

    /// The kernel runs a new filter once for each of its calls: that must be short.
    @Test func theStandardFilterIsSmall() throws {
        let filter = try SeccompFilter(compiling: .docker(capabilities: Capabilities.docker))
        #expect(filter.program.count / 8 < 250)
        #expect(filter.program.count % 8 == 0)
    }

    @Test func jumpsBeyondEightBitsAreBridged() {
        let tail = FilterProgram([.init(code: FilterProgram.Code.giveBack, value: 9)])
        let intervals = (0..<3000).map {
            FilterLayout.Interval(start: $0 * 2, outcome: $0 % 5 == 0 ? .asks : .returns($0))
        }
        let program = FilterLayout.program(trees: [(7, intervals), (8, intervals)], tail: tail)
        for architecture in [UInt32(7), 8] {
            for number in UInt32(0)..<6000 {
                let expected = number / 2 % 5 == 0 ? 9 : number / 2
                #expect(program.outcome(architecture, number) == expected)
            }
        }
        #expect(program.outcome(9, 4) == 9)
    }

    @Test func programsReadBackFromTheirBytes() throws {
        let program = FilterProgram(
            bytes: try SeccompFilter(compiling: Self.profiles[1]).program)
        #expect(FilterProgram(bytes: program.bytes) == program)
    }
}

import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// Device rules, as a program and as v1's exceptions, against the rule that the last one decides.
struct DeviceRulesTests {
    /// `allow c 1:3 rw`
    private static func rule(_ text: String) -> DeviceRule {
        let words = text.split(whereSeparator: { " :".contains($0) }).map(String.init)
        var rule = DeviceRule(allow: words[0] == "allow")
        (rule.kind, rule.major, rule.minor) = (words[1], Int64(words[2]), Int64(words[3]))
        rule.access = words[4]
        return rule
    }

    private static let tables: [[String]] = [
        [],
        ["deny a *:* rwm"],
        ["allow a *:* rwm"],
        ["allow a *:* rwm", "deny c 10:229 rwm"],
        ["deny a *:* rwm", "allow c 10:200 rwm", "deny c 10:200 w"],
        ["allow b 8:* r", "allow b 8:0 w", "deny b 8:* m"],
        ["allow c *:7 rw", "allow a 9:* r"],
        ["deny c 1:3 rwm", "allow c 10:* rwm", "deny a *:* rwm", "allow c 195:* rw"],
        ["allow c -1:-1 rm"],
    ]

    struct Request { let kind: String, major: UInt32, minor: UInt32, access: UInt32 }

    private static let requests: [Request] = {
        var all: [Request] = []
        for kind in ["b", "c"] {
            for major in [0, 1, 5, 8, 9, 10, 136, 195] as [UInt32] {
                for minor in [0, 1, 2, 3, 7, 200, 229] as [UInt32] {
                    for access in 1...7 as ClosedRange<UInt32> {
                        all.append(
                            Request(kind: kind, major: major, minor: minor, access: access))
                    }
                }
            }
        }
        return all
    }()

    /// What the words of `DeviceRules` mean, said plainly: each access by the last rule that names it.
    private func isAllowed(_ request: Request, by rules: DeviceRules) -> Bool {
        [1, 2, 4].filter { request.access & $0 != 0 }.allSatisfy { bit in
            rules.rules.last { rule in
                (rule.kind == "a" || rule.kind == request.kind)
                    && (rule.major == nil || rule.major == Int64(request.major))
                    && (rule.minor == nil || rule.minor == Int64(request.minor))
                    && rule.accessBits & bit != 0
            }?.allow ?? false
        }
    }

    /// A machine for the few instructions that a device program has.
    private func run(_ program: DeviceProgram, _ request: Request) throws -> Bool {
        let context: [UInt32] = [
            request.access << 16 | (request.kind == "b" ? 1 : 2), request.major, request.minor,
        ]
        var registers = [UInt32](repeating: 0, count: 11)
        var at = 0
        while true {
            let now = try #require(
                program.instructions.indices.contains(at) ? program.instructions[at] : nil)
            let (to, from) = (Int(now.registers & 15), Int(now.registers >> 4))
            let immediate = UInt32(bitPattern: now.immediate)
            at += 1
            switch now.code {
            case DeviceProgram.Code.load: registers[to] = context[Int(now.offset) / 4]
            case DeviceProgram.Code.move: registers[to] = registers[from]
            case DeviceProgram.Code.set: registers[to] = immediate
            case DeviceProgram.Code.shiftRightBy: registers[to] >>= immediate
            case DeviceProgram.Code.andWith: registers[to] &= immediate
            case DeviceProgram.Code.skipUnlessEqual:
                if registers[to] != immediate { at += Int(now.offset) }
            case DeviceProgram.Code.skipIfEqual:
                if registers[to] == immediate { at += Int(now.offset) }
            case DeviceProgram.Code.exit: return registers[0] != 0
            default: throw SystemError("run", "instruction \(now.code)", errno: 38)
            }
        }
    }

    @Test(arguments: tables)
    func aProgramDecidesAsTheLastRuleDoes(table: [String]) throws {
        let rules = DeviceRules(table.map(Self.rule))
        let program = DeviceProgram(rules)
        for request in Self.requests {
            #expect(
                try run(program, request) == isAllowed(request, by: rules), "\(request)")
        }
    }

    @Test(arguments: tables)
    func exceptionsOfV1DecideAsTheLastRuleDoes(table: [String]) throws {
        let rules = DeviceRules(table.map(Self.rule))
        let kept = try DeviceExceptions(rules)
        for request in Self.requests {
            // devices.rst: an access is an exception where one line has all of it.
            let wanted = DeviceExceptions.Device(
                kind: request.kind, major: Int64(request.major), minor: Int64(request.minor))
            let hits = kept.exceptions.filter { $0.key.covers(wanted) }.map(\.value)
            // Of allowances one line must have all of it; v1 does not add them up.
            let isAllowed =
                kept.allowsAll
                ? hits.allSatisfy { $0 & request.access == 0 }
                : hits.contains { $0 & request.access == request.access }
            if isAllowed, request.access & 1 == 0 || kept.makeable.isEmpty {
                #expect(self.isAllowed(request, by: rules), "\(request)")
            }
            // Nodes that some rule wants unmade can be made on v1; opened they cannot.
            let isMakeable = request.access == 1 && !kept.makeable.isEmpty
            if request.access.nonzeroBitCount == 1, !isMakeable {
                #expect(isAllowed == self.isAllowed(request, by: rules), "\(request)")
            }
        }
    }

    @Test func standardDevicesOutliveADenialOfAllButNotOneOfTheirOwn() {
        let denied = DeviceRules([Self.rule("deny a *:* rwm")])
        let null = Request(kind: "c", major: 1, minor: 3, access: 6)
        #expect(isAllowed(null, by: denied))
        #expect(!isAllowed(Request(kind: "b", major: 8, minor: 0, access: 2), by: denied))
        #expect(isAllowed(Request(kind: "b", major: 8, minor: 0, access: 1), by: denied))
        #expect(!isAllowed(null, by: DeviceRules([Self.rule("deny c 1:3 rw")])))
    }

    /// What Docker writes for every container.
    @Test func onV1ADeviceThatMayNotBeMadeCanBeMadeAndNotOpened() throws {
        let docker = DeviceRules(
            ["deny a *:* rwm", "allow c 1:3 rwm", "deny c 10:229 rwm"].map(Self.rule))
        let kept = try DeviceExceptions(docker)
        #expect(kept.makeable == ["c 10:229 m"])
        let fuse = DeviceExceptions.Device(kind: "c", major: 10, minor: 229)
        #expect(kept.exceptions.filter { $0.key.covers(fuse) }.map(\.value) == [1])
    }

    @Test(arguments: [
        ["allow c 10:* rw", "deny c 10:229 r"],
        ["allow a *:* rwm", "deny c *:* m", "allow c 1:3 m"],
    ])
    func whatV1CannotKeepIsRefused(table: [String]) {
        #expect(throws: SystemError.self) {
            try DeviceExceptions(DeviceRules(table.map(Self.rule)))
        }
    }

    @Test func anUpdateTakesNothingAwayThatIsKept() throws {
        let before = DeviceExceptions(list: "c 1:3 rwm\nc 10:200 rw\nb *:* m\n")
        let after = DeviceExceptions(list: "c 1:3 rwm\nc 10:200 r\nc 10:229 rw\nb *:* m\n")
        #expect(
            after.writes(from: before).flatMap { write in write.lines.map { "\(write.file) \($0)" }
            } == [
                "devices.allow c 10:229 rw", "devices.deny c 10:200 w",
            ])
        let all = DeviceExceptions(list: "a *:* rwm\n")
        #expect(all.allowsAll)
        #expect(after.writes(from: all).first?.file == "devices.deny")
        #expect(all.writes(from: after).flatMap(\.lines) == ["a"])
    }
}

internal import CSeccomp

/// What a filter answers to every system call of one architecture.
struct SystemCallTable {
    /// AUDIT_ARCH_…, as the kernel tells the filter.
    let audited: UInt32
    /// From the first number of this architecture on.
    let intervals: [FilterLayout.Interval]

    /// Numbers of x32 have this bit, asm/unistd.h.
    private static let x32Bit: UInt32 = 0x4000_0000
    /// ARM's private calls, asm/unistd.h: no sign of how new a profile is.
    private static let firstPrivate: UInt32 = 0x000f_0000
    /// ENOSYS.
    private static let unknown = SeccompNames.Action.errno | 38

    init(_ token: UInt32, _ rules: SeccompRules, _ whole: FilterProgram) {
        let isX32 = token == seccomp_arch_resolve_name("x32")
        let isX8664 = token == seccomp_arch_resolve_name("x86_64")
        audited = isX32 ? seccomp_arch_resolve_name("x86_64") : token
        let first = isX32 ? Self.x32Bit : 0
        let named = Self.numbers(of: rules.known, token, first)
        let audited = audited
        func outcome(_ number: UInt32) -> FilterLayout.Outcome {
            whole.outcome(audited, number).map { .returns($0) } ?? .asks
        }
        // Behaviour changes at named numbers only, and, behind socketcall(2) and ipc(2), at ones that no name leads to; the
        // numbers of MIPS begin at 4000.
        var starts = Set(named + named.map { $0 &+ 1 } + (first..<first + 1024))
        if Self.isMIPS(token) { starts.formUnion(4000..<7000) }
        var highest = first
        if Self.isSilent(rules.defaultAction) || named.isEmpty {
            highest = .max
        } else {
            let telling = starts.filter { outcome($0) != .returns(rules.defaultAction) } + named
            highest = telling.filter { $0 < first + Self.firstPrivate }.max() ?? first
            starts.insert(highest + 1)
        }
        let known = Set(named)
        var intervals = starts.sorted().map { number in
            FilterLayout.Interval(
                start: number,
                outcome: number > highest && !known.contains(number)
                    ? .returns(Self.unknown) : outcome(number))
        }
        // What lies above is the other architecture's, or nobody's; a tracer that skips a call leaves -1 as its number.
        if isX8664 { intervals.append(.init(start: Self.x32Bit, outcome: outcome(Self.x32Bit))) }
        intervals.append(.init(start: .max, outcome: .asks))
        self.intervals = intervals
    }

    /// With a default that lets calls happen, or leaves them to somebody who may know newer ones, nothing is unknown.
    private static func isSilent(_ defaultAction: UInt32) -> Bool {
        typealias Action = SeccompNames.Action
        return [Action.allow, Action.log, Action.trace, Action.notify]
            .contains(Action.kind(defaultAction))
    }

    private static func numbers(of names: Set<String>, _ token: UInt32, _ first: UInt32)
        -> [UInt32]
    {
        names.compactMap { name in
            let number = seccomp_syscall_resolve_name_arch(token, name)
            // Negative where this architecture has none, or has it behind another.
            return number < 0 ? nil : UInt32(number) | first
        }
    }

    private static func isMIPS(_ token: UInt32) -> Bool {
        // EM_MIPS, linux/elf-em.h, beside the bits of AUDIT_ARCH.
        token & 0xffff == 8
    }

    /// Whether what is left to `tail` is decided there by arguments, as in the whole.
    func isAnswered(by tail: FilterProgram) -> Bool {
        intervals.allSatisfy {
            $0.outcome != .asks || $0.start == .max || tail.outcome(audited, $0.start) == nil
        }
    }
}

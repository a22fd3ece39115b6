internal import CSeccomp
public import OCIRuntimeSpec

/// What seccomp(2) takes: compiled once, installed in many containers with one call each.
public struct SeccompFilter: Sendable, Hashable {
    /// struct sock_filter[], linux/filter.h.
    public let program: [UInt8]
    /// SECCOMP_FILTER_FLAG_…, linux/seccomp.h.
    public let flags: UInt32
    /// Names in the profile that libseccomp does not know, for the log: they were passed over, as runc and crun do.
    public let unknown: [String]

    /// Calls are to be told to a supervisor: installing it gives a descriptor.
    public var wantsListener: Bool { flags & SeccompNames.Flag.newListener != 0 }

    init(program: [UInt8], flags: UInt32, unknown: [String]) {
        self.program = program
        self.flags = flags
        self.unknown = unknown
    }

    /// Takes 5 to 20 ms.
    ///
    /// libseccomp says what happens to every call; how the program finds it is ours (`FilterLayout`). A call above all that
    /// the profile and libseccomp know is answered with ENOSYS where the profile would refuse or kill: programs then take an
    /// older one, while EPERM reads as a refusal and broke glibc's clone3 and faccessat2 (runc does the same).
    public init(compiling spec: SeccompSpec) throws(SeccompError) {
        let rules = try SeccompRules(spec)
        let whole = try SeccompContext.program(rules)
        let conditional = Self.conditionalNames(rules)
        var tail = try SeccompContext.program(rules) { conditional.contains($0.name) }
        let tables = rules.architectures.map { SystemCallTable($0, rules, whole) }
        // Where our idea of which rules matter is not libseccomp's, all of them stay.
        if !tables.allSatisfy({ $0.isAnswered(by: tail) }) { tail = whole }
        let instructions = FilterLayout.program(trees: Self.trees(tables), tail: tail).instructions
        // BPF_MAXINSNS, linux/bpf_common.h.
        guard instructions.count <= 4096 else {
            throw SeccompError(
                "syscalls", "needs \(instructions.count) instructions of at most 4096")
        }
        program = FilterProgram(instructions).bytes
        flags = rules.flags
        unknown = rules.unknown
        try checkListener()
    }

    /// Calls for which some rule looks at arguments. On architectures that put several calls behind one number
    /// (socketcall(2), ipc(2)) the number is itself an argument, so they go together.
    private static func conditionalNames(_ rules: SeccompRules) -> Set<String> {
        let names = Set(rules.rules.filter { !$0.comparisons.isEmpty }.map(\.name))
        let isMultiplexed =
            !names.isDisjoint(with: multiplexed)
            || rules.architectures.contains { token in
                seccomp_syscall_resolve_name_arch(token, "socket") < -1
            }
        return isMultiplexed ? names.union(multiplexed) : names
    }

    /// linux/net.h and linux/ipc.h.
    private static let multiplexed: Set<String> = [
        "socketcall", "socket", "bind", "connect", "listen", "accept", "getsockname",
        "getpeername", "socketpair", "send", "recv", "sendto", "recvfrom", "shutdown",
        "setsockopt", "getsockopt", "sendmsg", "recvmsg", "accept4", "recvmmsg", "sendmmsg",
        "ipc", "semop", "semget", "semctl", "semtimedop", "msgsnd", "msgrcv", "msgget", "msgctl",
        "shmat", "shmdt", "shmget", "shmctl",
    ]

    /// x32 shares its AUDIT_ARCH with x86-64, above bit 30.
    private static func trees(_ tables: [SystemCallTable])
        -> [(architecture: UInt32, intervals: [FilterLayout.Interval])]
    {
        var found: [UInt32: [FilterLayout.Interval]] = [:]
        for table in tables { found[table.audited, default: []] += table.intervals }
        return found.sorted { $0.key > $1.key }.map { architecture, intervals in
            var merged: [FilterLayout.Interval] = []
            for interval in intervals.sorted(by: { $0.start < $1.start })
            where merged.last?.outcome != interval.outcome {
                merged.append(interval)
            }
            return (architecture, merged)
        }
    }

    /// The descriptor is handed over by sendmsg(2) from under the filter itself: if that call waited for the supervisor,
    /// nobody could ever answer.
    private func checkListener() throws(SeccompError) {
        guard wantsListener else { return }
        let (native, number) = (seccomp_arch_native(), seccomp_syscall_resolve_name("sendmsg"))
        let outcome = FilterProgram(bytes: program).outcome(native, UInt32(number))
        guard outcome == SeccompNames.Action.allow || outcome == SeccompNames.Action.log else {
            throw SeccompError(
                "syscalls",
                "sendmsg must be allowed where SCMP_ACT_NOTIFY is used: the supervisor's descriptor is sent by it"
            )
        }
    }
}

internal import CSeccomp

/// Names of config-linux.md, "Seccomp", and what the kernel or libseccomp calls them.
enum SeccompNames {
    /// What a filter returns, linux/seccomp.h; the low 16 bits carry an errno or a tracer's message.
    enum Action {
        static let killProcess: UInt32 = 0x8000_0000
        static let killThread: UInt32 = 0x0000_0000
        static let trap: UInt32 = 0x0003_0000
        static let errno: UInt32 = 0x0005_0000
        static let notify: UInt32 = 0x7fc0_0000
        static let trace: UInt32 = 0x7ff0_0000
        static let log: UInt32 = 0x7ffc_0000
        static let allow: UInt32 = 0x7fff_0000

        static func kind(_ outcome: UInt32) -> UInt32 { outcome & 0xffff_0000 }
    }

    static let actions: [String: UInt32] = [
        "SCMP_ACT_KILL": Action.killThread, "SCMP_ACT_KILL_PROCESS": Action.killProcess,
        "SCMP_ACT_KILL_THREAD": Action.killThread, "SCMP_ACT_TRAP": Action.trap,
        "SCMP_ACT_ERRNO": Action.errno, "SCMP_ACT_TRACE": Action.trace,
        "SCMP_ACT_ALLOW": Action.allow, "SCMP_ACT_LOG": Action.log,
        "SCMP_ACT_NOTIFY": Action.notify,
    ]

    static let operators: [String: scmp_compare] = [
        "SCMP_CMP_NE": SCMP_CMP_NE, "SCMP_CMP_LT": SCMP_CMP_LT, "SCMP_CMP_LE": SCMP_CMP_LE,
        "SCMP_CMP_EQ": SCMP_CMP_EQ, "SCMP_CMP_GE": SCMP_CMP_GE, "SCMP_CMP_GT": SCMP_CMP_GT,
        "SCMP_CMP_MASKED_EQ": SCMP_CMP_MASKED_EQ,
    ]

    /// SECCOMP_FILTER_FLAG_…, linux/seccomp.h.
    enum Flag {
        static let tsync: UInt32 = 1
        static let newListener: UInt32 = 8
        /// A thread that cannot follow is an error and no thread id, which a listener would be taken for (seccomp(2)).
        static let tsyncFails: UInt32 = 16
        static let waitKillable: UInt32 = 32
    }

    static let flags: [String: UInt32] = [
        "SECCOMP_FILTER_FLAG_TSYNC": Flag.tsync, "SECCOMP_FILTER_FLAG_LOG": 2,
        "SECCOMP_FILTER_FLAG_SPEC_ALLOW": 4,
        "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV": Flag.waitKillable,
    ]

    /// Nil where this libseccomp knows no such architecture. Its names are those of the specification, in small letters.
    static func architecture(_ name: String) -> UInt32? {
        guard name.hasPrefix("SCMP_ARCH_"), !name.contains(where: \.isLowercase) else { return nil }
        let token = seccomp_arch_resolve_name(name.dropFirst(10).lowercased())
        return token == 0 ? nil : token
    }
}

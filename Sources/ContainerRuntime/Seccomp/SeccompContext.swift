internal import CLinux
internal import CSeccomp
internal import Glibc
internal import LinuxSystem

/// A filter that libseccomp builds.
struct SeccompContext: ~Copyable {
    private let context: scmp_filter_ctx

    /// The program of those rules that are wanted.
    static func program(
        _ rules: SeccompRules, where isWanted: (SeccompRules.Rule) -> Bool = { _ in true }
    ) throws(SeccompError) -> FilterProgram {
        let context = try SeccompContext(rules.defaultAction)
        for token in rules.architectures.dropFirst() { try context.add(token) }
        for rule in rules.rules where isWanted(rule) { try context.add(rule) }
        return try context.program()
    }

    private init(_ defaultAction: UInt32) throws(SeccompError) {
        guard let context = seccomp_init(defaultAction) else {
            throw SeccompError("defaultAction", "libseccomp does not take it on this kernel")
        }
        self.context = context
    }

    deinit { seccomp_release(context) }

    private func add(_ architecture: UInt32) throws(SeccompError) {
        let result = seccomp_arch_add(context, architecture)
        guard result == 0 else {
            // EDOM: another byte order than this machine's.
            throw SeccompError(
                "architectures", "libseccomp cannot add one: \(SystemError.text(-result))")
        }
    }

    private func add(_ rule: SeccompRules.Rule) throws(SeccompError) {
        let result = seccomp_rule_add_array(
            context, rule.action, rule.number, UInt32(rule.comparisons.count), rule.comparisons)
        guard result == 0 else {
            let reason =
                result == -EEXIST ? "an earlier rule says otherwise" : SystemError.text(-result)
            throw SeccompError(rule.field, "no rule for \(rule.name): \(reason)")
        }
    }

    /// Through a memory file, since libseccomp 2.5 writes to descriptors alone.
    private func program() throws(SeccompError) -> FilterProgram {
        do throws(SystemError) {
            let file = try OwnedFD(checking: cl_memfd("seccomp"), "memfd_create")
            try check(seccomp_export_bpf(context, file.raw), "seccomp_export_bpf")
            try checkErrno(lseek(file.raw, 0, SEEK_SET), "lseek")
            return FilterProgram(bytes: try Files.read(file.raw, "seccomp"))
        } catch {
            throw SeccompError("", "\(error)")
        }
    }
}

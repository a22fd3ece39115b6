internal import CSeccomp
internal import OCIRuntimeSpec

/// A `SeccompSpec` with its names looked up and its rules as libseccomp takes them.
struct SeccompRules {
    struct Rule {
        let name: String
        /// This machine's number, or libseccomp's negative one for a call that only other architectures have.
        let number: Int32
        let action: UInt32
        /// All must hold.
        let comparisons: [scmp_arg_cmp]
        let field: String
    }

    let defaultAction: UInt32
    /// libseccomp's tokens; this machine's own comes first.
    let architectures: [UInt32]
    let flags: UInt32
    var rules: [Rule] = []
    /// Names that libseccomp does not know. Who calls them gets what the profile says of unknown calls.
    var unknown: [String] = []
    /// Every name that the profile mentions and libseccomp knows.
    var known: Set<String> = []

    init(_ spec: SeccompSpec) throws(SeccompError) {
        defaultAction = try Self.action(
            spec.defaultAction, spec.defaultErrnoRet, "defaultAction", "defaultErrnoRet")
        architectures = try Self.architectures(spec.architectures)
        flags = try Self.flags(spec)
        for (index, rule) in spec.syscalls.enumerated() { try add(rule, "syscalls[\(index)]") }
    }

    private static func action(
        _ name: String, _ errno: UInt32?, _ field: String, _ errnoField: String
    ) throws(SeccompError) -> UInt32 {
        guard let action = SeccompNames.actions[name] else {
            throw SeccompError(field, "`\(name)` is no action")
        }
        guard action == SeccompNames.Action.errno || action == SeccompNames.Action.trace else {
            guard errno == nil else { throw SeccompError(errnoField, "\(name) takes no errno") }
            return action
        }
        // config-linux.md: the default is EPERM. The kernel's MAX_ERRNO is 4095; beyond it a call would seem to succeed.
        let value = errno ?? 1
        guard value <= (action == SeccompNames.Action.errno ? 4095 : 0xffff) else {
            throw SeccompError(errnoField, "\(value) is no error number")
        }
        return action | value
    }

    private static func architectures(_ names: [String]) throws(SeccompError) -> [UInt32] {
        let native = seccomp_arch_native()
        var tokens = [native]
        for (index, name) in names.enumerated() {
            guard let token = SeccompNames.architecture(name) else {
                throw SeccompError("architectures[\(index)]", "libseccomp knows no `\(name)`")
            }
            if !tokens.contains(token) { tokens.append(token) }
        }
        return tokens
    }

    private static func flags(_ spec: SeccompSpec) throws(SeccompError) -> UInt32 {
        var flags: UInt32 = 0
        for (index, name) in spec.flags.enumerated() {
            guard let flag = SeccompNames.flags[name] else {
                throw SeccompError("flags[\(index)]", "`\(name)` is no flag")
            }
            flags |= flag
        }
        let notifies = ([spec.defaultAction] + spec.syscalls.map(\.action))
            .contains("SCMP_ACT_NOTIFY")
        guard notifies else {
            // It says how a supervisor is waited for, and the kernel refuses it where there is none.
            return flags & ~SeccompNames.Flag.waitKillable
        }
        guard let path = spec.listenerPath, !path.isEmpty else {
            throw SeccompError("listenerPath", "SCMP_ACT_NOTIFY needs a socket of a supervisor")
        }
        flags |= SeccompNames.Flag.newListener
        if flags & SeccompNames.Flag.tsync != 0 { flags |= SeccompNames.Flag.tsyncFails }
        return flags
    }

    private mutating func add(_ rule: SeccompSpec.Rule, _ field: String) throws(SeccompError) {
        let action = try Self.action(
            rule.action, rule.errnoRet, field + ".action", field + ".errnoRet")
        guard !rule.names.isEmpty else { throw SeccompError(field + ".names", "is empty") }
        var comparisons: [scmp_arg_cmp] = []
        for (index, argument) in rule.args.enumerated() {
            comparisons.append(try Self.comparison(argument, field + ".args[\(index)]"))
        }
        // Several conditions on one argument: each is a rule of its own, and any will do, as runc and Docker have it.
        let isAmbiguous = Set(comparisons.map(\.arg)).count < comparisons.count
        let alternatives = isAmbiguous ? comparisons.map { [$0] } : [comparisons]
        for (index, name) in rule.names.enumerated() {
            guard !name.isEmpty, !name.utf8.contains(0) else {
                throw SeccompError(field + ".names[\(index)]", "is no name of a system call")
            }
            let number = seccomp_syscall_resolve_name(name)
            // __NR_SCMP_ERROR, seccomp.h.
            guard number != -1 else {
                if !unknown.contains(name) { unknown.append(name) }
                continue
            }
            known.insert(name)
            // What happens anyway is no rule to libseccomp.
            guard action != defaultAction else { continue }
            for comparisons in alternatives {
                rules.append(
                    Rule(
                        name: name, number: number, action: action, comparisons: comparisons,
                        field: field))
            }
        }
    }

    private static func comparison(_ argument: SeccompSpec.Argument, _ field: String)
        throws(SeccompError) -> scmp_arg_cmp
    {
        guard argument.index < 6 else {
            throw SeccompError(field + ".index", "\(argument.index) is not within 0 to 5")
        }
        guard let op = SeccompNames.operators[argument.op] else {
            throw SeccompError(field + ".op", "`\(argument.op)` is no operator")
        }
        // For SCMP_CMP_MASKED_EQ the first is the mask and the second what must be left.
        return scmp_arg_cmp(
            arg: argument.index, op: op, datum_a: argument.value, datum_b: argument.valueTwo)
    }
}

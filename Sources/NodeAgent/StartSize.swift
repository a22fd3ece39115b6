internal import ContainerRuntime
internal import Glibc
internal import LinuxSystem

/// What execve(2) takes of arguments and environment. Refused here, where the reason can name what is too long: a message that
/// the launcher does not read would end its connection.
enum StartSize {
    /// MAX_ARG_STRLEN: one string with its NUL.
    static let longest = 128 << 10
    /// Three quarters of the kernel's _STK_LIM: all of them with their pointers, whatever the stack's own limit.
    static let most = 6 << 20

    static func check(_ spec: ContainerSpec) throws(SystemError) {
        var total = 0
        for (what, texts) in [
            ("the argument", spec.arguments), ("the environment variable", spec.environment),
        ] {
            for text in texts {
                let size = text.utf8.count + 1
                total += size + MemoryLayout<Int>.size
                guard size <= longest else {
                    let name = text.prefix { $0 != "=" }.prefix(100)
                    throw SystemError(
                        "pass", "\(what) \(name)", errno: E2BIG,
                        hint: "it has \(size) bytes, and the kernel takes \(longest)")
                }
            }
        }
        guard total <= most else {
            throw SystemError(
                "pass", "arguments and environment", errno: E2BIG,
                hint: "they have \(total) bytes, and the kernel takes \(most)")
        }
    }
}

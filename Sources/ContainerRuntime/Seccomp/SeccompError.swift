/// What of `linux.seccomp` cannot be compiled.
public struct SeccompError: Error, Hashable, CustomStringConvertible {
    /// As in config.json: `linux.seccomp.syscalls[2].args[0].op`.
    public let field: String
    public let problem: String

    init(_ field: String, _ problem: String) {
        self.field = "linux.seccomp" + (field.isEmpty ? "" : "." + field)
        self.problem = problem
    }

    public var description: String { "\(field): \(problem)" }
}

/// `linux.seccomp` (config-linux.md, "Seccomp"). Names are the document's; whoever compiles them checks them.
public struct SeccompSpec: Sendable, Hashable {
    public struct Rule: Sendable, Hashable {
        public var names: [String]
        /// `SCMP_ACT_…`.
        public var action: String
        public var errnoRet: UInt32?
        public var args: [Argument] = []
        public init(names: [String], action: String) {
            self.names = names
            self.action = action
        }
    }
    public struct Argument: Sendable, Hashable {
        /// 0 to 5.
        public var index: UInt32
        public var value: UInt64
        /// For SCMP_CMP_MASKED_EQ, what the masked argument must be.
        public var valueTwo: UInt64 = 0
        /// `SCMP_CMP_…`.
        public var op: String
        public init(index: UInt32, value: UInt64, op: String) {
            self.index = index
            self.value = value
            self.op = op
        }
    }
    /// `SCMP_ACT_…`.
    public var defaultAction: String
    public var defaultErrnoRet: UInt32?
    /// `SCMP_ARCH_…`; empty means the machine's own.
    public var architectures: [String] = []
    /// `SECCOMP_FILTER_FLAG_…`.
    public var flags: [String] = []
    /// A Unix socket that is sent the notify descriptor.
    public var listenerPath: String?
    public var listenerMetadata: String?
    public var syscalls: [Rule] = []
    public init(defaultAction: String) { self.defaultAction = defaultAction }
}

internal import CLinux
internal import LinuxSystem

extension SeccompFilter {
    /// Confines this thread and all that it starts, for ever. Returns the supervisor's descriptor, close-on-exec, where one is
    /// wanted. Needs no_new_privs or CAP_SYS_ADMIN (seccomp(2)).
    func install() throws(SystemError) -> Int32? {
        let result = program.withUnsafeBytes {
            cl_seccomp_filter($0.baseAddress, UInt16($0.count / 8), flags)
        }
        try check(
            result, "seccomp",
            hint: result == -22  // EINVAL
                ? "this kernel lacks filters, or a flag or action of the profile" : nil)
        return wantsListener ? result : nil
    }
}

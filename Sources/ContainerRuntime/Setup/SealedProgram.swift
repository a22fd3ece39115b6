internal import CLinux
internal import Glibc
public import LinuxSystem

/// This program in memory that nobody can write to. What a container reaches of it (`/proc/self/exe` as an image's command, or
/// as the interpreter of one of its scripts) is then that copy, and never the file, which root in a container could overwrite
/// for everybody on the machine (CVE-2019-5736).
public enum SealedProgram {
    // linux/fcntl.h: F_LINUX_SPECIFIC_BASE + 9 and 10, F_SEAL_SEAL | SHRINK | GROW | WRITE.
    private static let (addSeals, getSeals): (Int32, Int32) = (1033, 1034)
    private static let seals: Int32 = 0x1 | 0x2 | 0x4 | 0x8

    /// Goes on in the copy, with the same arguments, environment and pid. Returns where this process runs in it already.
    public static func enter() throws(SystemError) {
        let own = "/proc/self/exe"
        let file = try OwnedFD.open(own, O_RDONLY)
        // Files that take no seals refuse the question.
        guard cl_fcntl(file.raw, getSeals, 0) != seals else {
            _ = cl_prctl(PR_SET_NAME, nameAddress, 0, 0, 0)
            return
        }
        // A bare number: an owner would close it after its last mention, before exec. It goes with exec.
        let copy = try check(cl_memfd("martlet-runtime"), "memfd_create")
        var chunk = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = try checkErrno(read(file.raw, &chunk, chunk.count), "read", own)
            if count == 0 { break }
            try Files.writeAll(copy, chunk[..<count], "memory")
        }
        try check(cl_fcntl(copy, addSeals, seals), "fcntl(F_ADD_SEALS)")
        execve("/proc/self/fd/\(copy)", CommandLine.unsafeArgv, cl_environ())
        throw SystemError.last("exec", "the copy in memory")
    }

    /// Else it would be called by the number of a descriptor.
    private static let nameAddress = UInt(bitPattern: strdup("martlet-runtime"))
}

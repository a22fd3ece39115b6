internal import CLinux
internal import Glibc
public import LinuxSystem

/// This executable as nobody can write to it. A process that is about to run a program in a container is in there with the
/// runtime's own file: an image whose program is /proc/self/exe, or whose loader is, gets hold of it (CVE-2019-5736).
///
/// Where overlayfs can be mounted, the file is run through a read-only one with no upper layer that hangs nowhere: whatever
/// somebody changes there, there is nothing to write to. That takes 0.2 ms; else a sealed copy in memory takes about 1 ms a MiB.
public enum SealedProgram {
    // linux/fcntl.h: F_LINUX_SPECIFIC_BASE + 9 and 10, F_SEAL_SEAL | SHRINK | GROW | WRITE.
    private static let (addSeals, getSeals): (Int32, Int32) = (1033, 1034)
    private static let seals: Int32 = 0x1 | 0x2 | 0x4 | 0x8
    /// OVERLAYFS_SUPER_MAGIC of linux/magic.h.
    private static let overlayMagic: Int64 = 0x794c_7630
    /// argv[0] of a program that was started here: the machine's own files may lie on an overlay, too.
    private static let sealedName = "martlet-runtime (sealed)"
    private static let own = "/proc/self/exe"

    /// Goes on in the sealed program, with the same arguments, environment and pid. Returns where this process runs in it already.
    public static func enter() throws(SystemError) {
        if CommandLine.arguments.first == sealedName, try isSealed() {
            // Else it would be called by the number of a descriptor.
            _ = cl_prctl(PR_SET_NAME, nameAddress, 0, 0, 0)
            return
        }
        // Ordinary users may mount no overlay here.
        if let file = try? readOnly() { try run(file.release()) }
        try run(try copy())
    }

    private static func isSealed() throws(SystemError) -> Bool {
        let file = try OwnedFD.open(own, O_RDONLY)
        return cl_fcntl(file.raw, getSeals, 0) == seals
            || cl_filesystem_type_of(file.raw) == overlayMagic
    }

    /// Takes the descriptor, which goes with exec.
    private static func run(_ file: Int32) throws(SystemError) {
        var arguments = CommandLine.arguments
        arguments[0] = sealedName
        execve("/proc/self/fd/\(file)", ContainerChild.pointers(arguments), cl_environ())
        throw SystemError.last("exec", "the sealed program")
    }

    private static let nameAddress = UInt(bitPattern: strdup("martlet-runtime"))

    /// overlayfs.rst: without an upper layer it takes two lower ones; the second is an empty directory.
    private static func readOnly() throws(SystemError) -> OwnedFD {
        var buffer = [CChar](repeating: 0, count: 4097)
        try checkErrno(readlink(own, &buffer, 4096), "readlink", own)
        let path = String(
            decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let (directory, name) = RootedPath.split(path)
        let program = try OwnedFD.open(directory, RootedPath.openPath | O_DIRECTORY).release()
        let empty = try ContainerChild.newMount(
            "tmpfs", [("mode", "0")], attributes: attrReadOnly | attrNoDev | attrNoSuid
        ).release()
        defer { for fd in [program, empty] { close(fd) } }
        let layers = "/proc/self/fd/\(program):/proc/self/fd/\(empty)"
        let overlay = try ContainerChild.newMount(
            "overlay", [("lowerdir", layers)], attributes: attrReadOnly | attrNoDev | attrNoSuid)
        return try OwnedFD.openAt(overlay.raw, name, RootedPath.openPath | O_NOFOLLOW)
    }

    private static func copy() throws(SystemError) -> Int32 {
        let file = try OwnedFD.open(own, O_RDONLY)
        // A bare number: an owner would close it after its last mention, before exec.
        let copy = try check(cl_memfd("martlet-runtime"), "memfd_create")
        while try checkErrno(sendfile(copy, file.raw, nil, 1 << 24), "copy", own) > 0 {}
        // Refused for as long as the kernel itself holds one of its pages, which it does for moments (memfd_wait_for_pins).
        for _ in 0..<1000 {
            let result = cl_fcntl(copy, addSeals, seals)
            if result != -EBUSY {
                try check(result, "fcntl(F_ADD_SEALS)")
                return copy
            }
            usleep(1000)
        }
        throw SystemError("fcntl(F_ADD_SEALS)", "memory", errno: EBUSY)
    }
}

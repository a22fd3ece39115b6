import Glibc
import LinuxSystem
import Testing

/// A root filesystem of one static program, busybox, under the names of its applets.
struct TestImage {
    let path: String
    static let busybox: String? = ["/usr/bin/busybox", "/bin/busybox"].first {
        access($0, X_OK) == 0
    }
    static let isPossible = busybox != nil
    static let reason: Comment = "busybox-static is not installed"

    private static let applets = [
        "sh", "cat", "id", "ls", "readlink", "env", "pwd", "hostname", "sleep", "true", "touch",
        "mkdir", "dd", "grep", "mount", "mknod", "kill", "wc", "stat", "ln", "rm", "head", "tr",
        "seq", "chmod", "chown", "umount", "chroot", "sync", "find", "sort", "awk", "test",
        "stty", "tty", "nohup", "echo",
    ]

    init(_ path: String, owner: UInt32) throws {
        self.path = path
        for name in ["bin", "etc", "tmp"] { try Files.makeDirectories(path + "/" + name) }
        chmod(path + "/tmp", 0o1777)
        guard let busybox = Self.busybox else {
            throw SystemError("find", "busybox", errno: ENOENT)
        }
        let program = try Files.read(busybox, limit: 1 << 24)
        try Files.writeAtomically(path + "/bin/busybox", program, mode: 0o755, durable: false)
        for applet in Self.applets { try link("bin/" + applet, to: "busybox") }
        try write(
            "etc/passwd",
            "root:x:0:0:root:/root:/bin/sh\nworker:x:1000:1001:w:/home/worker:/bin/sh\n")
        try write("etc/group", "root:x:0:\nworkers:x:1001:\ndata:x:2000:worker,other\n")
        for name in ["", "/bin", "/etc", "/tmp", "/etc/passwd", "/etc/group"] {
            try checkErrno(chown(path + name, owner, owner), "chown", name)
        }
    }

    func write(_ name: String, _ text: String, mode: UInt32 = 0o644) throws {
        try Files.writeAtomically(path + "/" + name, Array(text.utf8), mode: mode, durable: false)
    }

    func link(_ name: String, to target: String) throws {
        try checkErrno(symlink(target, path + "/" + name), "symlink", name)
    }
}

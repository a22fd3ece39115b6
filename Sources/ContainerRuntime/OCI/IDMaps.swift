internal import CLinux
internal import Glibc
internal import LinuxSystem
internal import OCIRuntimeSpec

/// Writes the id maps of a new user namespace, user_namespaces(7).
enum IDMaps {
    static func write(_ pid: pid_t, uids: [IDMapping], gids: [IDMapping]) throws(SystemError) {
        // More than one's own id takes CAP_SETUID over the parent namespace, or those setuid programs.
        if geteuid() == 0, writeAll(pid, uids, gids) { return }
        let isOwnAlone =
            uids.count == 1 && uids[0].size == 1 && uids[0].hostID == geteuid()
            && gids.count == 1 && gids[0].size == 1 && gids[0].hostID == getegid()
        if isOwnAlone {
            try write("/proc/\(pid)/setgroups", "deny", "linux.gidMappings")
            try write("/proc/\(pid)/uid_map", text(uids), "linux.uidMappings")
            return try write("/proc/\(pid)/gid_map", text(gids), "linux.gidMappings")
        }
        try run("newuidmap", pid, uids, "linux.uidMappings")
        try run("newgidmap", pid, gids, "linux.gidMappings")
    }

    private static func writeAll(_ pid: pid_t, _ uids: [IDMapping], _ gids: [IDMapping]) -> Bool {
        do throws(SystemError) {
            try write("/proc/\(pid)/gid_map", text(gids), "linux.gidMappings")
            try write("/proc/\(pid)/uid_map", text(uids), "linux.uidMappings")
            return true
        } catch { return false }
    }

    static func text(_ mappings: [IDMapping]) -> String {
        mappings.map { "\($0.containerID) \($0.hostID) \($0.size)\n" }.joined()
    }

    /// As an error is written.
    private static func inOneLine(_ text: String) -> String {
        text.split(separator: "\n").joined(separator: ", ")
    }

    private static func write(_ path: String, _ text: String, _ field: String) throws(SystemError) {
        do throws(SystemError) {
            let file = try OwnedFD.open(path, O_WRONLY)
            try Files.writeAll(file.raw, text.utf8, path)
        } catch { throw SystemError(field, inOneLine(text), errno: error.errno) }
    }

    private static func run(
        _ program: String, _ pid: pid_t, _ mappings: [IDMapping], _ field: String
    ) throws(SystemError) {
        let numbers = mappings.flatMap { ["\($0.containerID)", "\($0.hostID)", "\($0.size)"] }
        guard UserNamespace.run(program, ["\(pid)"] + numbers) else {
            throw SystemError(
                field, inOneLine(text(mappings)), errno: EPERM,
                hint: "\(program) refuses; /etc/subuid and /etc/subgid say which ids are one's own")
        }
    }
}

/// A user namespace that nobody is in, for mounts whose ids are mapped, mount_setattr(2).
enum MappingNamespace {
    /// Its descriptor.
    static func make(uids: [IDMapping], gids: [IDMapping]) throws(SystemError) -> OwnedFD {
        let (near, far) = try UnixSocket.pair(.stream).release()
        defer { close(near) }
        let pid = try check(cl_clone3(Namespace.user, nil, -1), "clone3", "user namespace")
        if pid == 0 {
            close(near)
            var word = [UInt8](repeating: 0, count: 1)
            _ = try? UnixSocket.receive(far, into: &word)  // until the namespace is held
            _exit(0)
        }
        close(far)
        defer {
            shutdown(near, Int32(SHUT_RDWR))
            var ended = cl_exit()
            _ = cl_wait(pid_t(pid), true, &ended)
        }
        try IDMaps.write(pid_t(pid), uids: uids, gids: gids)
        return try OwnedFD.open("/proc/\(pid)/ns/user", O_RDONLY)
    }
}

extension BundlePlan.MappedTree {
    /// The tree, detached, with its ids mapped (Linux 5.12).
    func make() throws(SystemError) -> OwnedFD {
        let flags = openTreeClone | (isRecursive ? atRecursive : 0)
        let tree = try OwnedFD(checking: cl_open_tree(AT_FDCWD, path, flags), field, path)
        let namespace = try MappingNamespace.make(uids: uidMappings, gids: gidMappings)
        try check(
            cl_mount_idmap(tree.raw, namespace.raw, atEmptyPath | (mapsBelow ? atRecursive : 0)),
            "\(field).uidMappings", path,
            hint: "the file system there, or this user, cannot map ids of mounts")
        return tree
    }
}

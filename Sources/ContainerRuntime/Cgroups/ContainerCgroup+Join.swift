internal import Glibc
public import LinuxSystem

extension ContainerCgroup {
    /// The v2 directory for CLONE_INTO_CGROUP (clone(2)); nil where there is none, or not yet. For a process that joins a
    /// running container, `first` is that container's: where it has divided its cgroup, nobody may join the top of it.
    public func openForClone(beside first: Int32? = nil) throws(SystemError) -> Int32? {
        guard let unified, pending == nil else { return nil }
        var directory = unified
        if let first, !CgroupFile.words(unified + "/cgroup.subtree_control").isEmpty,
            let own = Self.directory(of: first, within: unified)
        {
            directory = own
        }
        return try OwnedFD.open(directory, O_RDONLY | O_DIRECTORY).release()
    }

    /// v1 directories that a child joins by itself, `Cgroups.join`.
    public var directoriesToJoin: [String] {
        Set(directories.filter { $0.key != Self.unified }.values).sorted()
    }

    /// Moves `pid` in wherever it is not yet; with systemd this starts the scope and sets its limits.
    /// `isCloned` says that it was cloned into the v2 directory.
    public mutating func admit(_ pid: Int32, isCloned: Bool, beside first: Int32? = nil)
        throws(SystemError)
    {
        if let pending {
            try startScope(pending, pid)
            self.pending = nil
            return
        }
        if !isCloned, let unified {
            try Self.admit(pid, unified, orBeside: first)
        }
        for directory in directoriesToJoin {
            try CgroupFile.write(directory + "/cgroup.procs", "\(pid)")
        }
    }

    private static func admit(_ pid: pid_t, _ unified: String, orBeside first: pid_t?)
        throws(SystemError)
    {
        do throws(SystemError) {
            try CgroupFile.write(unified + "/cgroup.procs", "\(pid)")
        } catch {
            guard error.errno == EBUSY, let first,
                let own = directory(of: first, within: unified)
            else { throw error }
            try CgroupFile.write(own + "/cgroup.procs", "\(pid)")
        }
    }

    /// Where a container's process is by now, somewhere beneath the container's cgroup.
    static func directory(of pid: pid_t, within unified: String) -> String? {
        guard let tree = CgroupHost.detect(pid: "\(pid)").unified else { return nil }
        let directory = tree.mount + tree.own
        return directory == unified || directory.hasPrefix(unified + "/") ? directory : nil
    }
}

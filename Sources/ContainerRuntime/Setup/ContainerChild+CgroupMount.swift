internal import CLinux
internal import Glibc
internal import LinuxSystem

// MARK: /sys/fs/cgroup of a bundle's container

extension ContainerChild {
    /// v2 is one mount; of v1 there is one a hierarchy, beneath a tmpfs, with links for controllers that share one.
    mutating func mountCgroups(_ mount: CgroupMount) throws(SystemError) {
        let field = mount.field
        let top = try target(
            mount.destination, isDirectory: true, field: field, followLinks: false)
        if let only = mount.hierarchies.first, only.name.isEmpty {
            let tree = try hierarchy(only, mount)
            try setAttributes(tree, mount.options, isNew: false, field: field)
            return try hang(tree, on: top, field: field)
        }
        let frame = try Self.newMount(
            "tmpfs", [("mode", "0755")], attributes: attrNoSuid | attrNoDev | attrNoExec)
        for hierarchy in mount.hierarchies {
            try checkErrno(mkdirat(frame.raw, hierarchy.name, 0o755), field, hierarchy.name)
            for link in hierarchy.links {
                try checkErrno(symlinkat(hierarchy.name, frame.raw, link), field, link)
            }
        }
        try hang(frame, on: top, field: field)
        for each in mount.hierarchies {
            let tree = try hierarchy(each, mount)
            try setAttributes(tree, mount.options, isNew: false, field: field)
            try check(
                cl_move_mount(tree.raw, "", frame.raw, each.name, moveFromEmptyPath), field,
                each.name)
        }
        try setAttributes(frame, mount.options, isNew: false, field: field)
    }

    /// In a namespace of its own the container sees its part of a hierarchy as the whole (cgroup_namespaces(7)); else that
    /// part is bound.
    private mutating func hierarchy(
        _ hierarchy: CgroupMount.Hierarchy, _ mount: CgroupMount
    ) throws(SystemError) -> OwnedFD {
        if mount.isNamespaced, let fresh = try? fresh(hierarchy) {  // else it is bound
            return fresh
        }
        guard let raw = taken.removeValue(forKey: hierarchy.slot) else {
            throw SystemError(mount.field, hierarchy.directory, errno: ENOENT)
        }
        return OwnedFD(raw)
    }

    private func fresh(_ hierarchy: CgroupMount.Hierarchy) throws(SystemError) -> OwnedFD {
        try Self.newMount(
            hierarchy.type, hierarchy.parameters.map { ($0.key, $0.value) },
            attributes: attrNoSuid | attrNoDev | attrNoExec)
    }
}

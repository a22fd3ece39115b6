extension RuntimeSpec {
    /// The config.json to begin with that `spec` writes: a shell on a terminal, in a read-only root, as root with three
    /// capabilities and nothing of the machine in sight. In a rootless one that root is `uid` and `gid` outside, the network is
    /// the machine's own and so is /sys, which only its network's owner may mount.
    public static func template(rootless: Bool = false, uid: UInt32 = 0, gid: UInt32 = 0)
        -> RuntimeSpec
    {
        var spec = RuntimeSpec()
        spec.ociVersion = OCIRuntimeSpec.version
        spec.process = .template
        spec.root = RootSpec(path: "rootfs")
        spec.root?.readonly = true
        spec.hostname = "martlet"
        spec.mounts = MountSpec.template(rootless: rootless)
        spec.linux = LinuxSpec.template(rootless: rootless, uid: uid, gid: gid)
        return spec
    }
}

extension ProcessSpec {
    fileprivate static var template: ProcessSpec {
        var process = ProcessSpec()
        process.terminal = true
        process.args = ["sh"]
        process.env = [
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm",
        ]
        var sets = CapabilitiesSpec()
        sets.bounding = CapabilitiesSpec.mask([
            "CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE",
        ])
        sets.effective = sets.bounding
        sets.permitted = sets.bounding
        process.capabilities = sets
        process.rlimits = [RlimitSpec(resource: 7, soft: 1024, hard: 1024)]
        process.noNewPrivileges = true
        return process
    }
}

extension MountSpec {
    private init(_ destination: String, _ type: String, _ source: String, _ options: [String] = [])
    {
        self.init(destination: destination)
        self.type = type
        self.source = source
        self.options = options
    }

    fileprivate static func template(rootless: Bool) -> [MountSpec] {
        let quiet = ["nosuid", "noexec", "nodev"]
        // Group 5, tty, is not mapped in a rootless container.
        let terminals =
            ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]
            + (rootless ? [] : ["gid=5"])
        return [
            MountSpec("/proc", "proc", "proc"),
            MountSpec(
                "/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
            MountSpec("/dev/pts", "devpts", "devpts", terminals),
            MountSpec("/dev/shm", "tmpfs", "shm", quiet + ["mode=1777", "size=65536k"]),
            MountSpec("/dev/mqueue", "mqueue", "mqueue", quiet),
            rootless
                ? MountSpec("/sys", "none", "/sys", ["rbind"] + quiet + ["ro"])
                : MountSpec("/sys", "sysfs", "sysfs", quiet + ["ro"]),
            MountSpec("/sys/fs/cgroup", "cgroup", "cgroup", quiet + ["relatime", "ro"]),
        ]
    }
}

extension LinuxSpec {
    fileprivate static func template(rootless: Bool, uid: UInt32, gid: UInt32) -> LinuxSpec {
        var linux = LinuxSpec()
        let kinds: [NamespaceSpec.Kind] = [.pid, .ipc, .uts, .mount, .cgroup]
        linux.namespaces = (kinds + [rootless ? .user : .network]).map { NamespaceSpec(kind: $0) }
        if rootless {
            linux.uidMappings = [IDMapping(containerID: 0, hostID: uid, size: 1)]
            linux.gidMappings = [IDMapping(containerID: 0, hostID: gid, size: 1)]
        } else {
            linux.resources = ResourcesSpec()
            linux.resources?.devices = [DeviceRule(allow: false)]
        }
        linux.maskedPaths = [
            "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys",
            "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list",
            "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware",
        ]
        linux.readonlyPaths = [
            "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
        ]
        return linux
    }
}

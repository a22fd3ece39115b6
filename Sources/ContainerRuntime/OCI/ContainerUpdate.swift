internal import Glibc
internal import LinuxSystem
package import OCIRuntimeSpec

/// `update`.
package enum ContainerUpdate {
    /// Returns leniencies, for the log.
    package static func apply(
        _ resources: ResourcesSpec, l3CacheSchema: String?, memBwSchema: String?,
        to home: ContainerHome
    ) throws -> [String] {
        try home.locked {
            let record = try home.read()
            guard ContainerHome.lives(record) else {
                throw SystemError("update", home.id, errno: ESRCH, hint: "container not running")
            }
            if l3CacheSchema != nil || memBwSchema != nil {
                var spec = IntelRdtSpec()
                (spec.l3CacheSchema, spec.memBwSchema) = (l3CacheSchema, memBwSchema)
                guard let group = ResctrlGroup(record: record.resctrl) else {
                    throw SystemError(
                        "update", "linux.intelRdt", errno: EINVAL,
                        hint: "the container was made without it")
                }
                try group.update(spec)
            }
            return try ContainerCgroup(record: record.cgroup).update(resources)
        }
    }
}

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
                throw SystemError("linux.intelRdt", home.id, errno: EOPNOTSUPP)
            }
            return try ContainerCgroup(record: record.cgroup).update(resources)
        }
    }
}

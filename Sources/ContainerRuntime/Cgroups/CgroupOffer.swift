internal import Glibc
internal import LinuxSystem

/// What a launcher of this user would find to hold tasks with. Looked at alone; nothing is made.
public struct CgroupOffer: Sendable, Hashable {
    /// `v2`, `hybrid`, `v1` or `none`.
    public let layout: String
    /// Ascending.
    public let controllers: [String]

    /// Of this process.
    public static func look() -> CgroupOffer {
        let host = CgroupHost.detect()
        var found: Set<String> = []
        if let unified = host.unified {
            let isRoot = geteuid() == 0
            let parents = [unified.mount + unified.own] + (isRoot ? [unified.mount] : [])
            for parent in parents where access(parent, W_OK) == 0 {
                found.formUnion(CgroupFile.words(parent + "/cgroup.controllers"))
            }
        }
        for (controller, hierarchy) in host.v1
        where access(hierarchy.mount + hierarchy.own, W_OK) == 0 {
            found.insert(controller)
        }
        let used: Set = ["cpu", "cpuset", "memory", "pids"]
        return CgroupOffer(
            layout: host.layout.rawValue, controllers: found.intersection(used).sorted())
    }
}

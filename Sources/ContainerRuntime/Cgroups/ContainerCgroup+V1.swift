internal import Glibc
internal import LinuxSystem

/// The directories in the v1 hierarchies (cgroups(7)).
extension ContainerCgroup {
    /// `sharing` takes what is there already, with who is in it.
    mutating func makeV1(
        _ path: CgroupPath, _ request: CgroupRequest, _ host: CgroupHost, _ made: inout [String],
        sharing: Bool = false
    ) throws(SystemError) {
        var done: [String: String] = [:]
        // Sorted, so that the same machine fails in the same place.
        for (controller, hierarchy) in host.v1.sorted(by: { $0.key < $1.key }) {
            if let shared = done[hierarchy.mount] {
                directories[controller] = shared
                continue
            }
            let base = hierarchy.mount + (path.isAbsolute ? "" : hierarchy.own)
            let isCPUSet = host.v1["cpuset"]?.mount == hierarchy.mount
            do throws(SystemError) {
                let (directory, existed) = try Self.descend(
                    base, path.components, &made, prepare: { _ throws(SystemError) in },
                    settle: { child, parent throws(SystemError) in
                        if isCPUSet { try Self.fillCPUSet(child, from: parent) }
                    })
                if existed, !sharing { try Self.refuseOccupied(directory) }
                directories[controller] = directory
                done[hierarchy.mount] = directory
            } catch {
                try excuse(error, request)
            }
        }
    }

    /// cpusets(7): a new one is empty, and takes nobody in.
    static func fillCPUSet(_ directory: String, from parent: String) throws(SystemError) {
        for name in ["/cpuset.cpus", "/cpuset.mems"]
        where CgroupFile.words(directory + name).isEmpty {
            try CgroupFile.write(directory + name, try Files.text(parent + name))
        }
    }
}

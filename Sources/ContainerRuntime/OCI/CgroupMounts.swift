internal import LinuxSystem

extension ContainerCgroup {
    /// What a mount of type cgroup shows of this cgroup: the v2 tree alone where there is nothing else, else each v1 hierarchy
    /// under the names of its controllers, and the v2 tree as `unified`. Slots are given out later.
    func mountedHierarchies(on host: CgroupHost) -> [CgroupMount.Hierarchy] {
        if host.layout == .v2, let top = host.unified?.mount {
            // Not made yet where systemd is to make it: the whole tree then, or, in a namespace, the part that is its own.
            return [Self.v2(name: "", directory: unified ?? top)]
        }
        let groups = Dictionary(grouping: directories.filter { $0.key != Self.unified }) {
            $0.value
        }
        var hierarchies = groups.map { directory, controllers in
            Self.v1(controllers.map(\.key).sorted(), directory)
        }
        if let unified { hierarchies.append(Self.v2(name: "unified", directory: unified)) }
        return hierarchies.sorted { $0.name < $1.name }
    }

    private static func v2(name: String, directory: String) -> CgroupMount.Hierarchy {
        .init(
            name: name, links: [], type: "cgroup2", parameters: [], directory: directory, slot: 0)
    }

    /// A hierarchy with a name of its own is known by that, as systemd's is.
    private static func v1(_ controllers: [String], _ directory: String) -> CgroupMount.Hierarchy {
        let names = controllers.map { $0.hasPrefix("name=") ? String($0.dropFirst(5)) : $0 }
        let parameters = controllers.map { controller in
            controller.hasPrefix("name=")
                ? MountOptions.Parameter(key: "name", value: String(controller.dropFirst(5)))
                : MountOptions.Parameter(key: controller, value: nil)
        }
        let hasNoController = controllers.allSatisfy { $0.hasPrefix("name=") }
        return .init(
            name: names.joined(separator: ","), links: names.count > 1 ? names : [],
            type: "cgroup",
            parameters: (hasNoController ? [.init(key: "none", value: nil)] : []) + parameters,
            directory: directory, slot: 0)
    }
}

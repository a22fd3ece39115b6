internal import Glibc
public import LinuxSystem
internal import OCIRuntimeSpec

extension ContainerCgroup {
    /// Makes the directories and sets the limits; with systemd both wait for `admit`, since a scope begins with a process.
    ///
    /// Throws EBUSY where the cgroup exists and has processes or is frozen (runtime-spec leaves it open; a container that
    /// shared a cgroup would be limited, frozen and killed with it). On failure nothing is left.
    public static func make(_ request: CgroupRequest) throws(SystemError) -> ContainerCgroup {
        try make(request, on: .detect())
    }

    static func make(_ request: CgroupRequest, on host: CgroupHost) throws(SystemError)
        -> ContainerCgroup
    {
        var cgroup = ContainerCgroup(manager: request.manager)
        switch request.manager {
        case .disabled: try cgroup.goWithout("cgroups are disabled", request)
        case .systemd:
            cgroup.scope = Scope(
                name: try SystemdScopeName(
                    request.path, id: request.id, isUser: request.isRootless),
                isUser: request.isRootless)
            cgroup.pending = request
        case .cgroupfs: try cgroup.makeDirectories(request, host)
        }
        return cgroup
    }

    private mutating func makeDirectories(_ request: CgroupRequest, _ host: CgroupHost)
        throws(SystemError)
    {
        // Another user has nothing at the top, and may have something where he stands.
        let path = try CgroupPath(
            request.path.flatMap { $0.isEmpty ? nil : $0 }
                ?? (request.isRootless ? "" : "/") + request.id)
        guard host.layout != .none else {
            return try goWithout("this machine has no cgroups mounted", request)
        }
        var made: [String] = []
        do throws(SystemError) {
            try makeUnified(path, request, host, &made)
            try makeV1(path, request, host, &made)
            if directories.isEmpty { try goWithout(notes.joined(separator: "; "), request) }
            try configure(request)
        } catch {
            for directory in made.reversed() { rmdir(directory) }
            throw error
        }
    }

    /// Limits and devices of a container that has just got its directories.
    mutating func configure(_ request: CgroupRequest) throws(SystemError) {
        let resources = request.resources ?? ResourcesSpec()
        notes += try apply(resources)
        guard !directories.isEmpty else { return }
        notes += try apply(DeviceRules(resources.devices))
    }

    /// Throws where a limit is asked for.
    private mutating func goWithout(_ reason: String, _ request: CgroupRequest) throws(SystemError)
    {
        if let field = request.resources?.limitFields.first {
            throw SystemError("set", field, errno: EOPNOTSUPP, hint: reason)
        }
        notes = ["no cgroup: \(reason)"]
    }

    /// Notes a refusal that a container without limits can live with; throws another.
    mutating func excuse(_ error: SystemError, _ request: CgroupRequest) throws(SystemError) {
        guard request.isRootless, [EACCES, EPERM, EROFS, ENOENT].contains(error.errno) else {
            throw error
        }
        notes.append("no cgroup: \(error)")
    }

    /// Makes `components` beneath `base`, one after the other, with `prepare` called for each directory before it gets a child.
    /// Returns the last one, and whether it was there before.
    static func descend(
        _ base: String, _ components: [String], _ made: inout [String],
        prepare: (_ parent: String) throws(SystemError) -> Void,
        settle: (_ child: String, _ parent: String) throws(SystemError) -> Void
    ) throws(SystemError) -> (directory: String, existed: Bool) {
        var (directory, existed) = (base, true)
        for component in components {
            try prepare(directory)
            let child = directory + "/" + component
            existed = mkdir(child, 0o755) < 0
            if existed, errno != EEXIST { throw SystemError.last("mkdir", child) }
            if !existed { made.append(child) }
            try settle(child, directory)
            directory = child
        }
        return (directory, existed)
    }

    /// A container does not move in with others.
    static func refuseOccupied(_ directory: String) throws(SystemError) {
        func busy(_ problem: String) -> SystemError {
            SystemError(
                "use", "cgroup \(directory)", errno: EBUSY,
                hint: "\(problem); give linux.cgroupsPath another name")
        }
        let count = processes(in: directory).count
        guard count == 0 else { throw busy("\(count) processes are in it") }
        let isFrozen =
            CgroupFile.number(directory + "/cgroup.freeze") == 1
            || !["", "THAWED"].contains(
                CgroupFile.words(directory + "/freezer.state").first ?? "")
        guard !isFrozen else { throw busy("it is frozen") }
    }
}

internal import Glibc
internal import LinuxSystem
internal import OCIRuntimeSpec

/// A transient scope of systemd (org.freedesktop.systemd1(5)).
extension ContainerCgroup {
    /// Starts the scope with `pid` in it, finds its directories, and sets the limits that systemd has no property for.
    /// Where one is refused, the process is killed: the PID 1 of a container would be deaf to what systemd sends.
    mutating func startScope(_ request: CgroupRequest, _ pid: pid_t) throws(SystemError) {
        guard let scope else { return }
        let systemd = try SystemdConnection(isUser: scope.isUser)
        try systemd.start(scope.name, try properties(request, scope, pid))
        do throws(SystemError) {
            try findDirectories(of: pid, request)
            try configure(request)
        } catch {
            kill(pid, SIGKILL)
            // The error that led here is the one to tell; a scope without processes ends by itself, too.
            try? systemd.stop(scope.name.unit)
            throw error
        }
    }

    private func properties(_ request: CgroupRequest, _ scope: Scope, _ pid: pid_t)
        throws(SystemError) -> [(name: String, value: DBusValue)]
    {
        var properties: [(name: String, value: DBusValue)] = [
            ("Description", .string("Martlet container \(request.id)")),
            ("Slice", .string(scope.name.slice)),
            ("Delegate", .bool(true)),
            ("PIDs", .uint32s([UInt32(pid)])),
            ("DefaultDependencies", .bool(false)),
            // Gone with its last process, killed or not.
            ("CollectMode", .string("inactive-or-failed")),
        ]
        for name in ["CPUAccounting", "MemoryAccounting", "IOAccounting", "TasksAccounting"] {
            properties.append((name, .bool(true)))
        }
        return properties + (try SystemdProperties.limits(request.resources ?? ResourcesSpec()))
    }

    /// systemd has put the process somewhere in its own tree. v1 hierarchies that it does not use get a directory of the same
    /// path.
    private mutating func findDirectories(of pid: pid_t, _ request: CgroupRequest)
        throws(SystemError)
    {
        let host = CgroupHost.detect(pid: "\(pid)")
        if let tree = host.unified, tree.own.hasSuffix(".scope") {
            directories[Self.unified] = tree.mount + tree.own
        }
        guard let named = host.v1["name=systemd"] else { return }
        var made: [String] = []
        try makeV1(CgroupPath(named.own), request, host, &made, sharing: true)
        for directory in directoriesToJoin {
            try CgroupFile.write(directory + "/cgroup.procs", "\(pid)")
        }
    }

    /// Moves `pid` to where `first` is, a process of the container. Who stands outside of what is delegated to him, as in a session
    /// of ssh, may move nothing in (cgroup-v2.rst, "Delegation Containment"); systemd does it for him.
    func attach(_ pid: Int32, beside first: Int32) throws(SystemError) {
        guard let scope, let unified else { return }
        let own = Self.directory(of: first, within: unified) ?? unified
        let answer = try SystemdConnection(isUser: scope.isUser).call(
            "AttachProcessesToUnit",
            [
                .value(.string(scope.name.unit)),
                .value(.string(String(own.dropFirst(unified.utf8.count)))),
                .value(.uint32s([UInt32(pid)])),
            ])
        if case .failure(let refusal) = answer { throw refusal.error("join", scope.name.unit) }
    }

    func stopScope() throws(SystemError) {
        guard let scope else { return }
        try SystemdConnection(isUser: scope.isUser).stop(scope.name.unit)
    }

    /// So that a reload of systemd does not bring the old limits back.
    func updateScope(_ resources: ResourcesSpec) throws(SystemError) {
        guard let scope else { return }
        let limits = try SystemdProperties.limits(resources)
        guard !limits.isEmpty else { return }
        let answer = try SystemdConnection(isUser: scope.isUser).call(
            "SetUnitProperties",
            [.value(.string(scope.name.unit)), .value(.bool(true)), .properties(limits)])
        if case .failure(let refusal) = answer {
            throw refusal.error("update", scope.name.unit)
        }
    }
}

extension SystemdConnection {
    fileprivate func start(
        _ name: SystemdScopeName, _ properties: [(name: String, value: DBusValue)]
    ) throws(SystemError) {
        let arguments: [DBusArgument] = [
            .value(.string(name.unit)), .value(.string("fail")), .properties(properties), .noUnits,
        ]
        var answer = try call("StartTransientUnit", arguments)
        if case .failure(let refusal) = answer, refusal.name.hasSuffix(".UnitExists") {
            // One that failed is still known by its name; one that runs stays, and refuses again.
            _ = try call("ResetFailedUnit", [.value(.string(name.unit))])
            answer = try call("StartTransientUnit", arguments)
        }
        try finish(answer, "start", name.unit)
    }

    /// One that systemd does not know any more has ended by itself.
    fileprivate func stop(_ unit: String) throws(SystemError) {
        let answer = try call("StopUnit", [.value(.string(unit)), .value(.string("replace"))])
        if case .failure(let refusal) = answer, refusal.name.hasSuffix(".NoSuchUnit") { return }
        try finish(answer, "stop", unit)
        // Refused where it has not failed.
        _ = try call("ResetFailedUnit", [.value(.string(unit))])
    }

    private func finish(
        _ answer: Result<[String], SystemdRefusal>, _ step: String, _ unit: String
    ) throws(SystemError) {
        switch answer {
        case .failure(let refusal): throw refusal.error(step, unit)
        case .success(let strings):
            let result = try result(ofJob: strings.first ?? "")
            guard result == "done" else {
                throw SystemError(
                    step, unit, errno: EIO, hint: "systemd's job ended with: \(result)")
            }
        }
    }
}

extension SystemdRefusal {
    fileprivate func error(_ step: String, _ unit: String) -> SystemError {
        let errno =
            switch name.split(separator: ".").last {
            case "UnitExists": EBUSY
            case "AccessDenied", "InteractiveAuthorizationRequired": EACCES
            case "NoSuchUnit": ENOENT
            default: EINVAL
            }
        return SystemError(step, unit, errno: errno, hint: "systemd said: \(text)")
    }
}

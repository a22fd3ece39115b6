internal import CLinux
internal import Glibc
internal import LinuxSystem
package import OCIRuntimeSpec

/// `delete`: undoes what `create` did (runtime.md, "Lifecycle", steps 11 to 13).
package enum ContainerDeletion {
    /// Milliseconds in which a killed container must be gone.
    private static let patience: Int64 = 10_000

    /// A container that runs is refused, or killed where `force` is set. `notes` get what went wrong and does not matter.
    package static func delete(_ home: ContainerHome, force: Bool, notes: inout [String]) throws {
        try home.locked {
            let record = try home.read()
            let status = home.status(record)
            switch status {
            case .stopped: break
            // One that is created has run nothing yet: runc and crun delete it, too.
            case _ where force || status == .created: try end(record)
            default:
                throw SystemError(
                    "delete", home.id, errno: EBUSY,
                    hint: "it is \(status.rawValue); stop it first, or use --force")
            }
            try dismantle(home, record, &notes)
        }
    }

    /// After its process has ended. `spec` is its config.json where that has been read already.
    package static func dismantle(
        _ home: ContainerHome, _ record: ContainerRecord, spec: RuntimeSpec? = nil,
        _ notes: inout [String]
    ) throws {
        let cgroup = try ContainerCgroup(record: record.cgroup)
        // Without a process namespace of its own its children have outlived it.
        try cgroup.signal(SIGKILL)
        try cgroup.remove()
        if !record.resctrl.isEmpty { try ResctrlGroup(record: record.resctrl)?.remove() }
        // The hooks are told even where the copy of config.json is damaged: then there are none.
        let hooks = (spec ?? (try? home.spec()))?.hooks.poststop ?? []
        home.remove()
        var state = record.state(.stopped)
        state.pid = 0
        for (number, hook) in hooks.enumerated() {
            // Logged, and the others go on (runtime.md, "Lifecycle", step 13).
            do throws(SystemError) {
                try ContainerChild.run([hook], field: "hooks.poststop", state: state, pid: 0)
            } catch { notes.append("hooks.poststop[\(number)]: \(error)") }
        }
    }

    private static func end(_ record: ContainerRecord) throws(SystemError) {
        guard record.pid > 0 else { return }
        let opened = cl_pidfd_open(record.pid)
        if opened == -ESRCH { return }
        let process = try OwnedFD(checking: opened, "pidfd_open", "\(record.pid)")
        // Held by the descriptor, the pid cannot change hands between this look and the signal.
        guard ContainerHome.lives(record) else { return }
        if let cgroup = try? ContainerCgroup(record: record.cgroup) {  // else there is none to thaw
            try? cgroup.signal(SIGKILL)  // what it cannot reach, the next line does
        }
        let sent = cl_pidfd_send_signal(process.raw, SIGKILL)
        if sent != -ESRCH { try check(sent, "kill", record.id) }
        var poller = pollfd(fd: process.raw, events: Int16(POLLIN), revents: 0)
        guard poll(&poller, 1, Int32(patience)) > 0 else {
            throw SystemError(
                "kill", record.id, errno: ETIMEDOUT,
                hint: "it does not end; a device or file system may hang")
        }
    }
}

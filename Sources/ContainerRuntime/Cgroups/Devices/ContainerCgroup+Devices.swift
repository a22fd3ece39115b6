internal import CLinux
internal import Glibc
internal import LinuxSystem

extension ContainerCgroup {
    /// Sets the rules where the machine keeps them: the v1 controller, or else a program at the v2 directory. Returns what was
    /// left undone: without privilege over devices (in a user namespace) the kernel takes neither, and the container can
    /// make no device nodes anyway.
    func apply(_ rules: DeviceRules) throws(SystemError) -> [String] {
        do throws(SystemError) {
            if let directory = directories["devices"] {
                let current = DeviceExceptions(
                    list: CgroupFile.text(directory + "/devices.list"))
                let wanted = try DeviceExceptions(rules)
                for write in wanted.writes(from: current) {
                    try CgroupFile.write(directory + "/" + write.file, lines: write.lines)
                }
                return wanted.makeable.map {
                    "linux.resources.devices: cgroup v1 cannot deny \($0); it cannot be opened"
                }
            } else if let unified {
                try Self.attach(DeviceProgram(rules), unified)
            } else {
                return ["linux.resources.devices: no cgroup to set them in"]
            }
        } catch {
            if [EPERM, EACCES].contains(error.errno), geteuid() != 0 || Self.isInUserNamespace {
                return ["linux.resources.devices: not applied without privilege (\(error))"]
            }
            throw SystemError(
                "set", "linux.resources.devices", errno: error.errno, hint: error.hint ?? "\(error)"
            )
        }
        return []
    }

    /// Puts the program in the place of those that are there: at no moment is there none.
    private static func attach(_ program: DeviceProgram, _ path: String) throws(SystemError) {
        let directory = try OwnedFD.open(path, O_RDONLY | O_DIRECTORY)
        let words = program.instructions.map(\.word)
        let new = try OwnedFD(
            checking: cl_bpf_load_device(words, words.count), "bpf(BPF_PROG_LOAD)", path)
        var identifiers = [UInt32](repeating: 0, count: 64)
        // Another runtime's or systemd's may be among them, or none.
        let count = Int(
            try check(
                cl_bpf_attached_devices(directory.raw, &identifiers, identifiers.count),
                "bpf(BPF_PROG_QUERY)", path))
        var old: [Int32] = []
        defer { for program in old { close(program) } }
        for identifier in identifiers[..<count] {
            let program = cl_bpf_program(identifier)
            if program >= 0 { old.append(program) }
        }
        let replaced = old.count == 1 ? old[0] : -1
        try check(
            cl_bpf_attach_device(directory.raw, new.raw, replaced), "bpf(BPF_PROG_ATTACH)", path)
        guard replaced < 0 else { return }
        for program in old {
            try check(cl_bpf_detach_device(directory.raw, program), "bpf(BPF_PROG_DETACH)", path)
        }
    }

    /// user_namespaces(7): the first one maps every id to itself.
    static var isInUserNamespace: Bool {
        CgroupFile.words("/proc/self/uid_map") != ["0", "0", "4294967295"]
    }
}

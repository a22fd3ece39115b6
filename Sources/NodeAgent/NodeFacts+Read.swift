internal import CLinux
internal import ContainerRuntime
internal import Glibc
internal import JobModel
internal import LinuxSystem

extension NodeFacts {
    /// Of this machine; takes some milliseconds.
    static func read(_ directories: Directories) -> NodeFacts {
        var name = utsname()
        uname(&name)
        let kernel = withUnsafeBytes(of: name.release) {
            String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
        let uid = getuid()
        var facts = NodeFacts(kernel: kernel, uid: uid, directory: directories.data)
        facts.distribution = distribution()
        facts.user = Lingering.userName(uid)
        let offer = CgroupOffer.look()
        facts.cgroupLayout = offer.layout
        facts.controllers = offer.controllers
        if uid != 0 {
            facts.userNamespaces = makesUserNamespaces()
            let ids = SubordinateIDs.ofThisUser()
            facts.subordinateIDs = ids.map { Int64(min($0.users.count, $0.groups.count)) } ?? 0
        }
        facts.homeFileSystem = ProcessEnvironment.all()["HOME"].flatMap(fileSystem)
        facts.hasLogind =
            Files.exists("/run/systemd/seats") || Files.exists("/run/systemd/sessions")
        facts.lingers = Lingering.isOn(uid: uid)
        facts.killsUserProcesses = logindKills()
        facts.refresh()
        return facts
    }

    /// What changes from hello to hello.
    mutating func refresh() {
        hasCurl = ProgramPath.find("curl") != nil
        var status = statvfs()
        // The directory may not be there yet; its nearest parent is on the same disk.
        var path = directory
        while statvfs(path, &status) != 0, path != "/", errno == ENOENT {
            path = RootedPath.split(path).parent
        }
        freeDisk = Int64(status.f_bavail) * Int64(status.f_frsize)
        fileSystem = Self.fileSystem(path)
    }

    private static func distribution() -> String? {
        let text = (try? Files.text("/etc/os-release")) ?? (try? Files.text("/usr/lib/os-release"))
        let key = "PRETTY_NAME="
        return text?.split(separator: "\n").first { $0.hasPrefix(key) }
            .map { $0.dropFirst(key.count).filter { $0 != "\"" } }
    }

    /// Tried by a child, so that this process stays where it is.
    private static func makesUserNamespaces() -> Bool {
        // CLONE_NEWUSER of linux/sched.h.
        let child = cl_clone3(0x1000_0000, nil, -1)
        if child == 0 { _exit(0) }
        guard child > 0 else { return false }
        var ended = cl_exit()
        // The agent ignores SIGCHLD or not yet; either way nothing is left of it.
        _ = cl_wait(pid_t(child), true, &ended)
        return true
    }

    /// statfs(2), and linux/magic.h.
    private static func fileSystem(_ path: String) -> String? {
        guard let magic = try? Files.fileSystemType(path) else { return nil }
        let names: [Int64: String] = [
            0x6969: "nfs", 0x0bd0_0bd0: "lustre", 0xef53: "ext4", 0x5846_5342: "xfs",
            0x9123_683e: "btrfs", 0x0102_1994: "tmpfs", 0x794c_7630: "overlay",
            0x2fc1_2fc1: "zfs", 0xff53_4d42: "cifs", 0xfe53_4d42: "smb", 0x6573_5546: "fuse",
            0x4750_4653: "gpfs", 0x1983_0326: "beegfs", 0x00c3_6400: "ceph", 0x5346_414f: "afs",
        ]
        return names[magic & 0xffff_ffff] ?? "0x" + String(magic & 0xffff_ffff, radix: 16)
    }

    /// logind.conf(5); what stands in no file is the distribution's own default, which but for upstream's is no.
    private static func logindKills() -> Bool {
        var files = ["/etc/systemd/logind.conf"]
        let dropIns = "/etc/systemd/logind.conf.d"
        files += ((try? Files.names(in: dropIns)) ?? []).sorted().map { "\(dropIns)/\($0)" }
        var kills = false
        for file in files {
            for line in ((try? Files.text(file)) ?? "").split(separator: "\n") {
                let words = line.split(separator: "=").map { $0.filter { $0 != " " } }
                guard words.count == 2, words[0] == "KillUserProcesses" else { continue }
                kills = ["yes", "true", "1", "on"].contains(words[1].lowercased())
            }
        }
        return kills
    }
}

/// What is wrong with a node, from what it says of itself. Pure.
public struct NodeCheck: Sendable {
    private let facts: NodeFacts
    private var findings: [NodeFinding] = []

    /// Milliseconds by which clocks may differ: times of starts and ends are the nodes' own.
    public static let clockTolerance: Int64 = 2000
    /// Bytes.
    static let (scarceDisk, noDisk): (Int64, Int64) = (5 << 30, 256 << 20)
    private static let networkFileSystems: Set = [
        "nfs", "cifs", "smb", "lustre", "gpfs", "beegfs", "ceph", "afs",
    ]

    /// Worst first.
    /// - Parameter clockOffset: the node's clock less the head's in milliseconds, where it is known; half of the round trip is
    ///   no offset.
    /// - Parameter pulls: `NodeSpec.pulls`.
    public static func findings(
        of facts: NodeFacts?, clockOffset: Int64?, pulls: Bool = false
    ) -> [NodeFinding] {
        guard let facts else {
            return [
                NodeFinding(
                    .note, "its agent is of an older version and says nothing of its system",
                    remedy: "it is replaced once its tasks have ended and it is told to stop")
            ]
        }
        var check = NodeCheck(facts: facts)
        check.checkKernel()
        check.checkUserNamespaces()
        check.checkCgroups()
        check.checkDisk()
        check.checkLogind()
        if let clockOffset { check.checkClock(clockOffset) }
        if pulls { check.checkCurl() }
        // Stable: those of one severity stay in the order of the checks.
        return NodeFinding.Severity.allCases.reversed().flatMap { severity in
            check.findings.filter { $0.severity == severity }
        }
    }

    private init(facts: NodeFacts) { self.facts = facts }

    private mutating func find(
        _ severity: NodeFinding.Severity, _ what: String, _ remedy: String
    ) { findings.append(NodeFinding(severity, what, remedy: remedy)) }

    private var user: String { facts.user ?? "\(facts.uid)" }

    /// An ordinary user's overlay file systems came with 5.11; mount_setattr(2), for read-only trees, with 5.12.
    private mutating func checkKernel() {
        let numbers = facts.kernel.split { $0 == "." || $0 == "-" }.prefix(2).map { Int($0) }
        guard numbers.count == 2, let major = numbers[0], let minor = numbers[1] else { return }
        if (major, minor) < (5, 11) {
            find(
                .error, "Linux \(facts.kernel) is too old for containers of images",
                "use Linux 5.11 or later; RHEL 8 has it as kernel-ml of ELRepo, Ubuntu 20.04 as linux-generic-hwe-20.04"
            )
        }
    }

    private mutating func checkUserNamespaces() {
        if facts.userNamespaces == false {
            find(
                .error, "user namespaces are switched off for ordinary users",
                "ask for `sysctl user.max_user_namespaces=15000`, on Debian kernel.unprivileged_userns_clone=1, on Ubuntu "
                    + "kernel.apparmor_restrict_unprivileged_userns=0; or join as root")
        }
        if facts.subordinateIDs == 0, facts.uid != 0 {
            find(
                .warning,
                "\(user) has no subordinate ids: files of an image belong to one user alone",
                "install uidmap (shadow-utils) and ask for "
                    + "`usermod --add-subuids 100000-165535 --add-subgids 100000-165535 \(user)`")
        }
    }

    private mutating func checkCgroups() {
        let missing = ["cpu", "cpuset", "memory", "pids"].filter { !facts.controllers.contains($0) }
        guard !missing.isEmpty else { return }
        // v1's cpu is not used where cpuset holds.
        if facts.cgroupLayout != "v2", missing == ["cpu"] { return }
        let isNone = facts.controllers.isEmpty
        let what =
            isNone
            ? "no cgroup controller is \(user)'s: limits of memory and CPUs are not enforced"
            : "the cgroup controllers \(missing.joined(separator: ", ")) are not \(user)'s"
        let remedy =
            facts.uid == 0
            ? "mount the cgroup file system (v2) read-write there"
            : facts.cgroupLayout == "v2"
                ? "ask for a file /etc/systemd/system/user@.service.d/delegate.conf with the lines [Service] and "
                    + "Delegate=cpu cpuset io memory pids, and lingering for \(user)"
                : "boot with systemd.unified_cgroup_hierarchy=1 (cgroup v2), whose subtrees can be delegated"
        find(isNone ? .warning : .note, what, remedy)
    }

    private mutating func checkDisk() {
        if let free = facts.freeDisk, free < Self.scarceDisk {
            let isNone = free < Self.noDisk
            find(
                isNone ? .error : .warning,
                "\(facts.directory) has \(free >> 20) MiB of room",
                "make room there, or give the node another --directory")
        }
        if let kind = facts.fileSystem, Self.networkFileSystems.contains(kind) {
            find(
                .warning, "\(facts.directory) is on a network file system (\(kind))",
                "give the node a --directory on a disk of its own, such as /var/tmp/martlet-\(facts.uid)"
            )
        } else if let kind = facts.homeFileSystem, Self.networkFileSystems.contains(kind) {
            find(
                .note, "the home directory is on a network file system (\(kind))",
                "nothing needs to be done: the agent's own files lie elsewhere")
        }
    }

    private mutating func checkLogind() {
        guard facts.hasLogind, facts.uid != 0, !facts.lingers else { return }
        let remedy = "`loginctl enable-linger \(user)` there, or ask for it"
        if facts.killsUserProcesses {
            find(
                .error,
                "systemd-logind ends all of \(user)'s processes when the link ends (KillUserProcesses=yes)",
                remedy)
        } else {
            find(
                .note, "\(user) does not linger: the agent's sockets lie below /tmp", remedy)
        }
    }

    private mutating func checkCurl() {
        guard facts.hasCurl == false else { return }
        find(
            .warning, "it is to pull images by itself and has no curl: the head sends them",
            "install curl there (`apt-get install curl`, `dnf install curl`)")
    }

    private mutating func checkClock(_ offset: Int64) {
        guard abs(offset) > Self.clockTolerance else { return }
        let seconds = (abs(offset) + 500) / 1000
        find(
            .warning, "its clock is \(seconds) s \(offset > 0 ? "ahead" : "behind")",
            "let both machines keep time (`timedatectl set-ntp true`, chrony)")
    }
}

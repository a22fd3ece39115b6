internal import Glibc
internal import LinuxSystem
internal import Synchronization

/// One machine of a laboratory.
public final class LaboratoryNode: Sendable {
    public struct Options: Sendable {
        public enum Home: Sendable { case plain, full, noexec, readOnly }
        public var home = Home.plain
        /// Lines of sshd_config(5), before the others.
        public var sshd: [String] = []
        /// Another than root is made there, with subordinate ids.
        public var user = "root"
        /// Its login shell.
        public var shell: String?
        /// Files in the home, by name: what shells read at login.
        public var files: [String: String] = [:]
        /// The node through which it is reached.
        public var jump: Int?
        public init() {}
    }

    public let name: String
    public let address: String
    public let options: Options
    /// Its public host key, without a comment.
    public let hostKey: String
    /// What it has as its user's home, `/tmp` and `/var/tmp` lies below.
    public let folder: String
    private let port: String
    private let network: LaboratoryProcess
    private let machine: Mutex<LaboratoryProcess>

    private let disk: LaboratoryDisk

    init(_ number: Int, _ options: Options, _ disk: LaboratoryDisk, _ network: LaboratoryProcess)
        throws
    {
        self.disk = disk
        let laboratory = disk.path
        name = "node\(number)"
        port = "port\(number)"
        address = "10.77.1.\(10 + number)"
        folder = "\(laboratory)/\(name)"
        self.options = options
        self.network = network
        try Shell.run(
            "mkdir -p \(folder)/home \(folder)/tmp \(folder)/vartmp; chmod 1777 \(folder)/tmp \(folder)/vartmp; "
                + "chmod 700 \(folder)/home; ssh-keygen -q -t ed25519 -N '' -f \(folder)/hostkey; "
                + "cp \(laboratory)/key.pub \(folder)/authorized_keys; chmod 644 \(folder)/authorized_keys"
        )
        try Self.writeAccount(folder, options)
        let words = try Files.text(folder + "/hostkey.pub").split(separator: " ")
        hostKey = words.prefix(2).joined(separator: " ")
        for (file, text) in options.files {
            try Files.writeAtomically("\(folder)/home/\(file)", text.utf8, mode: 0o644)
        }
        let lines =
            options.sshd + [
                "ListenAddress 0.0.0.0", "HostKey /mnt/hostkey",
                "AuthorizedKeysFile /mnt/authorized_keys", "PidFile none", "StrictModes no",
                "UsePAM no", "PasswordAuthentication no", "PrintMotd no",
            ]
        try Files.writeAtomically(
            folder + "/sshd_config", (lines.joined(separator: "\n") + "\n").utf8)
        machine = Mutex(try Self.boot(folder, options))
        try plugIn()
    }

    /// Ids of the user that is not root.
    private static let userID = 4321

    private static func writeAccount(_ folder: String, _ options: Options) throws {
        let shell = options.shell ?? "/bin/sh"
        var passwd = try Files.text("/etc/passwd").split(separator: "\n")
            .filter { !$0.hasPrefix("\(options.user):") }.joined(separator: "\n")
        let id = options.user == "root" ? 0 : userID
        passwd += "\n\(options.user):x:\(id):\(id)::\(home(options)):\(shell)\n"
        try Files.writeAtomically(folder + "/passwd", passwd.utf8)
        try Files.writeAtomically(folder + "/sub", "\(options.user):1000000:65536\n".utf8)
        try Shell.run("chown \(id):\(id) \(folder)/home")
    }

    private static func home(_ options: Options) -> String {
        options.user == "root" ? "/root" : "/home/\(options.user)"
    }

    private static func boot(_ folder: String, _ options: Options) throws -> LaboratoryProcess {
        let place = home(options)
        let home =
            switch options.home {
            case .plain: "mount --bind /mnt/home \(place)"
            case .full:
                "mount -t tmpfs -o size=64k,mode=700 none \(place); cat /dev/zero >\(place)/rest 2>/dev/null || :"
            case .noexec: "mount -t tmpfs -o noexec,mode=700 none \(place)"
            case .readOnly:
                "mount --bind /mnt/home \(place); mount -o remount,ro,bind \(place)"
            }
        // Its first process is the machine: when that ends, everything on it does.
        let script = """
            set -e; mount --make-rprivate /; mount --bind \(folder) /mnt; \
            mount -t tmpfs none /home; mkdir -p \(place); \(home); \
            mount --bind /mnt/tmp /tmp; mount --bind /mnt/vartmp /var/tmp; \
            mount --bind /mnt/passwd /etc/passwd; \
            for f in subuid subgid; do \
            test -e /etc/$f || continue; mount --bind /mnt/sub /etc/$f; done; mount -t tmpfs none /run; \
            mkdir -m 755 -p /run/sshd; hostname \(RootedPath.split(folder).name); \
            echo up; read go; unset TMPDIR XDG_DATA_HOME XDG_STATE_HOME XDG_RUNTIME_DIR MARTLET_HOME; \
            /usr/sbin/sshd -f /mnt/sshd_config -E /mnt/sshd.log; exec 0<&- 1>&- 2>&-; set +e; \
            trap : CHLD; while :; do sleep 1000000 & wait $!; done
            """
        return try LaboratoryProcess([
            "unshare", "--mount", "--net", "--pid", "--uts", "--fork", "--mount-proc",
            "--kill-child=KILL", "/bin/sh", "-c", script,
        ])
    }

    private func plugIn() throws {
        let machine = machine.withLock { $0 }
        try network.run(
            "ip link add \(port) type veth peer name eth0 netns \(machine.inside); "
                + "ip link set \(port) master lab; ip link set \(port) up")
        try machine.run(
            "ip link set lo up; ip addr add \(address)/16 dev eth0; ip link set eth0 up")
        try machine.go()
        // The first connection may come before it listens, and is then refused.
        for _ in 0..<500 {
            if try machine.run("cat /proc/net/tcp").contains(":0016 ") { return }
            usleep(5000)
        }
        throw Shell.Failure(description: "\(name)'s sshd does not listen")
    }

    /// On the node, as root, outside of ssh.
    @discardableResult
    public func run(_ script: String) throws -> String {
        try machine.withLock { $0 }.run(script, only: "--net --mount --pid --uts")
    }

    // MARK: Misfortunes

    /// Packets vanish, unseen by both ends.
    public func silence() throws { try network.run("ip link set \(port) nomaster") }
    /// The cable is pulled.
    public func cut() throws { try network.run("ip link set \(port) down") }
    public func mend() throws {
        try network.run("ip link set \(port) up; ip link set \(port) master lab")
    }

    /// Holds its link to a rate in both directions, as tc-tbf(8) writes it: `1gbit`.
    public func limit(rate: String) throws {
        let shape = "root tbf rate \(rate) burst 256kb latency 100ms"
        try network.run("tc qdisc replace dev \(port) \(shape)")
        try run("tc qdisc replace dev eth0 \(shape)")
    }

    /// As tc-netem(8) writes it: `delay 20ms loss 1%`, on packets to the node. False where the kernel has no netem.
    public func impair(_ netem: String) -> Bool {
        (try? network.run("tc qdisc replace dev \(port) root netem \(netem)")) != nil
    }

    /// Connections end at once; new ones are taken.
    public func endSessions() throws { try run("pkill -x -f 'sshd: \(options.user).*' || :") }
    /// And none is taken.
    public func stopSSHD() throws { try run("pkill -x sshd || :") }
    public func startSSHD() throws {
        try run("/usr/sbin/sshd -f /mnt/sshd_config -E /mnt/sshd.log")
    }

    /// Everything ends at once; what was on its disks stays, but for /tmp.
    public func reboot() throws {
        let former = machine.withLock { $0 }
        former.end()
        try Shell.run("rm -rf \(folder)/tmp; mkdir -m 1777 \(folder)/tmp")
        let next = try Self.boot(folder, options)
        machine.withLock { $0 = next }
        // The pair would go with its namespace, which connections that still have something to say keep for minutes.
        try network.run("ip link del \(port) 2>/dev/null || :")
        try plugIn()
    }

    deinit { machine.withLock { $0 }.end() }
}

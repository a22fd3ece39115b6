internal import Glibc
public import LinuxSystem

/// Where an agent that a head reaches from elsewhere keeps its files: below the base in which its programs were installed.
public enum NodeDirectories {
    /// What `current` says, but for a base other than its data directory, which then holds the state, too, and for the run
    /// directory.
    public static func below(
        _ base: String, _ current: Directories = .current()
    ) throws(SystemError) -> Directories {
        let state = base == current.data ? current.state : base + "/state"
        return Directories(
            state: state, data: base, run: try runDirectory(current, getuid()),
            config: current.config)
    }

    /// Where the agent that runs listens, else where a new one may.
    ///
    /// logind removes $XDG_RUNTIME_DIR with the user's last session, which may be our own link (logind.conf(5)); an agent whose
    /// sockets are gone runs on and cannot be found. So it counts only where the user lingers (loginctl(1)).
    private static func runDirectory(_ current: Directories, _ uid: UInt32) throws(SystemError)
        -> String
    {
        let fallback = "/tmp/martlet-\(uid)"
        guard current.run != fallback else { return fallback }
        // A connection that ends at once harms nobody.
        if (try? UnixSocket.connect(current.agentSocket, .stream)) != nil { return current.run }
        let other = Directories(state: "", data: "", run: fallback, config: "")
        if (try? UnixSocket.connect(other.agentSocket, .stream)) != nil { return fallback }
        let isLogind = current.run == "/run/user/\(uid)/martlet"
        return isLogind && !Lingering.isOn(uid: uid) ? fallback : current.run
    }
}

/// Whether systemd-logind keeps a user's manager, and with it the runtime directory, without a session.
public enum Lingering {
    /// `loginctl enable-linger` leaves a file of the user's name.
    static func isOn(uid: UInt32, in directory: String = "/var/lib/systemd/linger") -> Bool {
        guard let name = userName(uid) else { return false }
        return Files.exists(directory + "/" + name)
    }

    /// As /etc/passwd has it; a static program has no name service. nil where the user comes from elsewhere (LDAP).
    static func userName(_ uid: UInt32) -> String? {
        let text = (try? Files.text("/etc/passwd")) ?? ""
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: ":", omittingEmptySubsequences: false)
            if fields.count > 2, UInt32(fields[2]) == uid { return String(fields[0]) }
        }
        // sshd sets them (sshd(8), LOGIN PROCESS).
        let environment = ProcessEnvironment.all()
        return environment["USER"] ?? environment["LOGNAME"]
    }
}

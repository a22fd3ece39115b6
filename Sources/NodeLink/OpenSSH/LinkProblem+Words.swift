internal import JobModel

// Nothing else tells ssh's failures apart: it ends with 255 for all of them (ssh(1), EXIT STATUS). The words are those of
// OpenSSH 7.6 to 10; ones that are not known are shown as they are.
extension LinkProblem {
    /// What ssh, or the node's shell, said last.
    init(words: String, of node: NodeSpec, otherwise what: String) {
        let lines = words.split(whereSeparator: { $0.isNewline }).map { Self.neutralised($0) }
            .filter { !$0.allSatisfy { $0 == " " } }
        let all = lines.joined(separator: "\n").lowercased()
        func has(_ phrases: String...) -> Bool { phrases.contains { all.contains($0) } }
        let kind: Kind =
            if has("remote host identification has changed") {
                .hostKeyChanged
            } else if has("host key verification failed", "no matching host key fingerprint") {
                .hostKeyUnknown
            } else if has("could not resolve hostname") {
                .unknownHost
            } else if has("permission denied (", "too many authentication failures") {
                .permissionDenied
            } else if has("connection refused") {
                .refused
            } else if has("no route to host", "network is unreachable") {
                .unreachable
            } else if has("timed out", "not responding") {
                .timedOut
            } else if has(
                "kex_exchange_identification", "connection closed by", "exceeded maxstartups",
                "not allowed at this time", "connection reset by")
            {
                // After the others: the end of a jump host's connection is told so, too.
                .throttled
            } else if has("no space left on device", "disk quota exceeded") {
                .noSpace
            } else if has("/bin/sh: no such file", "this account is currently not available") {
                .noShell
            } else {
                .other
            }
        // The last line says it, but for the changed key, of which the first ones do.
        let said = kind == .hostKeyChanged ? "its host key has CHANGED" : lines.last ?? what
        self.init(kind, said, remedy: Self.remedy(kind, node))
    }

    private static func remedy(_ kind: Kind, _ node: NodeSpec) -> String? {
        let port = node.port.map { " -p \($0)" } ?? ""
        let host = node.destination.split(separator: "@").last.map(String.init) ?? node.destination
        switch kind {
        case .unknownHost:
            return "check the name, or give it a Host entry in ~/.ssh/config"
        case .refused:
            return "check that sshd runs there, and the port"
        case .unreachable, .timedOut:
            return "check that the machine is up, and the network, firewall or VPN on the way"
        case .throttled:
            return
                "its sshd turns connections away (MaxStartups, PerSourcePenalties); tried again later"
        case .hostKeyUnknown:
            return
                "log in once by hand (ssh\(port) \(node.destination)) and compare its fingerprint, or add the output of "
                + "`ssh-keyscan\(port) \(host)` to ~/.ssh/known_hosts, or use --accept-new"
        case .hostKeyChanged:
            return
                "somebody may be listening in; where the machine was installed anew, remove the old key with "
                + "`ssh-keygen -R '\(node.port.map { "[\(host)]:\($0)" } ?? host)'`"
        case .permissionDenied:
            return
                "it takes none of your keys, and a password cannot be asked for: `ssh-copy-id\(port) \(node.destination)` "
                + "installs one; a key with a passphrase has to be in ssh-agent"
        case .noSpace:
            return "make room there, or give --directory on another file system"
        case .noShell:
            return "the account needs a login shell that can run /bin/sh"
        case .badDestination, .sshMissing, .lost, .noisyShell, .notLinux, .otherArchitecture,
            .agentFails, .refusedByAgent, .other:
            return nil
        }
    }
}

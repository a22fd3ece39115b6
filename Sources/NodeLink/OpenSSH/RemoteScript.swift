/// A POSIX shell script for a node, in a form that every login shell passes on unchanged.
///
/// sshd hands the command line to the user's login shell, which may be fish or csh and may print what it likes. So the line is
/// `exec /bin/sh -c '…' sh WORD…` with a script that has none of what those shells read within single quotes: no quote, no
/// backslash (fish), no exclamation mark and no line end (csh). What the script says begins with a nonce, whose halves
/// stand apart in the command line: a shell that echoes its commands does not say it.
struct RemoteScript: Sendable, Hashable {
    let nonce: Nonce
    private let text: String
    private let words: [String]

    /// The command line for ssh.
    var commandLine: String {
        (["exec /bin/sh -c '\(text)' sh", nonce.halves.0, nonce.halves.1] + words.map { "'\($0)'" })
            .joined(separator: " ")
    }

    /// Bases for everything of ours, best first; `$k` of them are passed over. With n the nonce, h the programs' hash and d
    /// the directory that the user chose, if any.
    private static let candidates = """
        n=$1$2 h=$3 k=$4 d=$5; umask 077; u=$(id -u); \
        if test -n "$d"; then set -- "$d"; \
        else set -- "${XDG_DATA_HOME:-${HOME:-x}/.local/share}/martlet" \
        "/var/tmp/martlet-$u" "/tmp/martlet-$u" "${XDG_RUNTIME_DIR:-x}/martlet"; fi; \
        i=0; for b; do i=$((i+1)); test $i -gt $k || continue; \
        case $b in /tmp/*|/var/tmp/*) test -h "$b" && continue;; /*) ;; *) continue;; esac; 
        """

    /// Becomes the relay to the agent where these programs are installed; else says what machine this is.
    static func findAgent(hash: String, directory: String?) -> RemoteScript {
        // -O: whoever made a directory below /tmp first must not choose what we run.
        let text =
            candidates
                + """
                a=$b/agents/$h/martlet-agent; \
                if test -O "$b" && test -x "$a"; then exec "$a" stdio $n "$b"; fi; done; \
                echo; echo "$n missing $(uname -s) $(uname -m)"
                """
        return RemoteScript(
            nonce: Nonce(), text: text, words: [hash, "0", directory ?? ""])
    }

    /// Takes the programs' bundle from stdin into the first base after `skipping` that holds and runs it.
    static func install(hash: String, directory: String?, skipping: Int) -> RemoteScript {
        // A script that says nothing shows whether programs may run there before they are sent. The bundle then unpacks
        // itself, and says what it is.
        let text =
            candidates
                + """
                t="$b/agents/.new-$h-$$"; mkdir -p "$t" && test -O "$b" || continue; \
                if : >"$t/probe" && chmod 700 "$t/probe" && "$t/probe"; then \
                if cat >"$t/bundle" && chmod 700 "$t/bundle" && "$t/bundle" unpack $h "$b/agents"; \
                then rm -rf "$t"; echo; echo "$n installed $i $b"; exit; fi; \
                rm -rf "$t"; echo; echo "$n failed $i $b"; exit; fi; rm -rf "$t"; done; \
                echo; echo "$n nowhere"
                """
        return RemoteScript(
            nonce: Nonce(), text: text, words: [hash, "\(skipping)", directory ?? ""])
    }
}

/// What marks the first of our own bytes among those of a login shell.
struct Nonce: Sendable, Hashable {
    let halves: (String, String)

    init() {
        func half() -> String {
            let digits = String(UInt64.random(in: 0 ... .max), radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }
        halves = (half(), half())
    }

    var text: String { halves.0 + halves.1 }

    static func == (a: Nonce, b: Nonce) -> Bool { a.text == b.text }
    func hash(into hasher: inout Hasher) { hasher.combine(text) }
}

internal import Glibc
internal import LinuxSystem

/// What killed launchers leave: the next one that stands in the same place takes it away.
///
/// A launcher that lives holds a lock on its directory (flock(2)), which goes with it however it ends and is seen from every PID
/// namespace of the machine.
extension Cgroups {
    /// Locks of this launcher's directories, for as long as it lives.
    final class Hold {
        private let directory: OwnedFD

        /// Nil where the directory has gone, or its file system knows no locks.
        init?(_ path: String) {
            guard let directory = try? OwnedFD.open(path, O_RDONLY | O_DIRECTORY),
                flock(directory.raw, LOCK_EX | LOCK_NB) == 0
            else { return nil }
            self.directory = directory
        }
    }

    static func holds(of mode: Mode) -> [Hold] { bases(of: mode).compactMap { Hold($0) } }

    static func bases(of mode: Mode) -> [String] {
        switch mode {
        case .v2(let base, _): [base]
        case .v1(let bases): bases.values.sorted()
        case .none: []
        }
    }

    /// Removes what the launcher before this one had, as it wrote down at `path`: one that was started from another session stood
    /// elsewhere. Writes down what this one has. The caller has ended what that one left running.
    static func succeed(_ path: String, with bases: [String]) {
        let before = ((try? Files.text(path)) ?? "").split(separator: "\n").map(String.init)
        for directory in before where !bases.contains(directory) {
            // Another launcher's by now, where somebody holds it.
            guard Owner(RootedPath.split(directory).name) != nil, let hold = Hold(directory) else {
                continue
            }
            withExtendedLifetime(hold) { remove(directory) }
        }
        // Without it the next one looks only where it stands.
        try? Files.writeAtomically(
            path, bases.joined(separator: "\n").utf8, mode: 0o600, durable: false)
    }

    /// Removes directories of launchers that live no more.
    static func sweep(_ parent: String) {
        var namespaces: Set<UInt64>?
        for name in (try? Files.directoryNames(in: parent)) ?? [] {
            guard let owner = Owner(name) else { continue }
            let stale = parent + "/" + name
            if owner.isHere {
                // Its pid may be anybody's by now, this launcher's too. Another launcher of that number has this very directory.
                guard
                    owner.pid == "\(getpid())" || Self.name(of: owner.pid) != "martlet-runtime"
                else { continue }
            } else {
                // Its processes may be out of sight: nobody holds it, nobody is in it, nobody who could be seen lives there.
                let seen = namespaces ?? Self.namespaces()
                namespaces = seen
                guard let namespace = owner.namespace, !seen.contains(namespace),
                    ContainerCgroup.processes(in: stale).isEmpty
                else { continue }
            }
            // Held by none, also while it is being removed.
            guard let hold = Hold(stale) else { continue }
            withExtendedLifetime(hold) { remove(stale) }
        }
    }

    /// What has processes in it stays.
    private static func remove(_ directory: String) {
        for child in ContainerCgroup.children(of: directory) { remove(child) }
        rmdir(directory)
    }

    /// PID namespaces of the processes that can be seen from here.
    private static func namespaces() -> Set<UInt64> {
        let names = (try? Files.directoryNames(in: "/proc")) ?? []
        return Set(
            names.filter { $0.utf8.allSatisfy { (48...57).contains($0) } }
                .compactMap(namespace))
    }

    /// Whose directory it is, by its name: `martlet-PID`, or `martlet-PID-NAMESPACE`.
    private struct Owner {
        let pid: String
        /// Nil in the machine's own.
        let namespace: UInt64?

        init?(_ name: String) {
            guard name.hasPrefix(prefix) else { return nil }
            let words = name.dropFirst(prefix.utf8.count)
                .split(separator: "-", omittingEmptySubsequences: false)
            guard let pid = words.first, pid_t(pid) != nil, words.count <= 2 else { return nil }
            self.pid = String(pid)
            if words.count == 2 {
                guard let number = UInt64(words[1]) else { return nil }
                namespace = number
            } else {
                namespace = nil
            }
        }

        private var suffix: String { namespace.map { "-\($0)" } ?? "" }
        var isHere: Bool { suffix == namespaceSuffix }
    }
}

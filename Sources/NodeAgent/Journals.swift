internal import ContainerRuntime
internal import Glibc
internal import JobModel
internal import LinuxSystem

/// The launchers' journals: the living one's, and those of dead ones, each of which is kept until every exit in it has been
/// acknowledged. A new launcher empties its journal, so a dead one's is set aside before one is started.
struct Journals {
    private let directory: String
    private static let name = "launcher.journal"
    /// By the path of a journal that was set aside: what is not acknowledged of it.
    private var unsettled: [String: Set<AttemptID>] = [:]

    init(directory: String) { self.directory = directory }

    /// Called while no launcher lives. Returns what the dead one wrote down and is still of interest.
    mutating func setAside(where isOfInterest: (AttemptID) -> Bool) -> [ContainerExit] {
        let target = directory + "/\(Self.name).\(Clock.now())-\(getpid())"
        // No journal: no launcher has served here.
        guard rename(directory + "/" + Self.name, target) == 0 else { return [] }
        return open(target, where: isOfInterest)
    }

    /// What a former agent had set aside.
    mutating func openSetAside() -> [ContainerExit] {
        var exits: [ContainerExit] = []
        for path in setAsidePaths() { exits += open(path) { _ in true } }
        return exits
    }

    /// A journal goes with the last of its exits.
    mutating func settle(_ attempts: [AttemptID]) {
        for path in unsettled.keys {
            unsettled[path]?.subtract(attempts)
            if unsettled[path]?.isEmpty == true { drop(path) }
        }
    }

    mutating func removeAll() {
        _ = setAside { _ in false }
        for path in setAsidePaths() { drop(path) }
    }

    private mutating func open(_ path: String, where isOfInterest: (AttemptID) -> Bool)
        -> [ContainerExit]
    {
        do throws(SystemError) {
            let contents = try LauncherJournal.read(path)
            if contents.unreadable > 0 {
                note(
                    """
                    \(path): \(contents.unreadable) bytes are no record; what ended by them is told as lost, and may be tried again
                    """)
            }
            let exits = contents.exits.filter { AttemptID($0.id).map(isOfInterest) ?? false }
            unsettled[path] = Set(exits.compactMap { AttemptID($0.id) })
            if exits.isEmpty { drop(path) }
            return exits
        } catch {
            note("the journal of a launcher that died cannot be read; its tasks are lost: \(error)")
            return []
        }
    }

    private mutating func drop(_ path: String) {
        unsettled[path] = nil
        unlink(path)
    }

    private func setAsidePaths() -> [String] {
        // A directory that cannot be read holds nothing that could be told.
        ((try? Files.names(in: directory)) ?? []).filter { $0.hasPrefix(Self.name + ".") }.sorted()
            .map { directory + "/" + $0 }
    }
}

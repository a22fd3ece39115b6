internal import ContainerRuntime
internal import Glibc
internal import LinuxSystem

/// The launchers' journals: the living one's, and those of dead ones, which are kept until every exit in them has been
/// acknowledged. A new launcher empties its journal, so a dead one's is set aside before one is started.
struct Journals {
    private let directory: String
    private static let name = "launcher.journal"

    init(directory: String) { self.directory = directory }

    /// Called while no launcher lives. Returns what the dead one wrote down.
    func setAside() -> [ContainerExit] {
        let target = directory + "/\(Self.name).\(Clock.now())-\(getpid())"
        // No journal: no launcher has served here.
        guard rename(directory + "/" + Self.name, target) == 0 else { return [] }
        return exits(target)
    }

    func setAsideExits() -> [ContainerExit] { setAsidePaths().flatMap(exits) }

    func removeSetAside() {
        for path in setAsidePaths() { unlink(path) }
    }

    private func setAsidePaths() -> [String] {
        // A directory that cannot be read holds nothing that could be told.
        ((try? Files.names(in: directory)) ?? []).filter { $0.hasPrefix(Self.name + ".") }.sorted()
            .map { directory + "/" + $0 }
    }

    private func exits(_ path: String) -> [ContainerExit] {
        do throws(SystemError) {
            return try LauncherJournal.read(path)
        } catch {
            note("the journal of a launcher that died cannot be read; its tasks are lost: \(error)")
            return []
        }
    }
}

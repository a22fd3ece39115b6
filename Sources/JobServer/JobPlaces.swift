internal import JobModel
internal import LinuxSystem
internal import Synchronization

/// Where attempts' files lie on this machine. Any thread.
final class JobPlaces: Sendable {
    private let directories: Directories
    /// Jobs whose tasks have several nodes: their parts have the same numbers, and each a place of its own.
    private let gangs = Mutex<Set<JobID>>([])

    init(_ directories: Directories) { self.directories = directories }

    func note(_ id: JobID, _ spec: JobSpec) {
        if spec.resources.nodes > 1 { gangs.withLock { _ = $0.insert(id) } }
    }

    func isGang(_ id: JobID) -> Bool { gangs.withLock { $0.contains(id) } }

    /// Below which `tasks/<index>/<attempt>/` lie, of what ran on that node.
    func job(_ id: JobID, on node: String) -> String {
        directories.jobDirectory(id.rawValue) + (isGang(id) ? "/nodes/\(node)" : "")
    }

    func task(_ id: TaskID, on node: String) -> String {
        job(id.job, on: node) + "/tasks/\(id.index)"
    }

    func attempt(_ id: AttemptID, on node: String) -> String {
        task(id.task, on: node) + "/\(id.number)"
    }
}

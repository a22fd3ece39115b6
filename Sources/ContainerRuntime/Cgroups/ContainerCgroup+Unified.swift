internal import Glibc
internal import LinuxSystem

/// The directory in the v2 tree (cgroup-v2.rst).
extension ContainerCgroup {
    mutating func makeUnified(
        _ path: CgroupPath, _ request: CgroupRequest, _ host: CgroupHost, _ made: inout [String]
    ) throws(SystemError) {
        guard let tree = host.unified else { return }
        do throws(SystemError) {
            let base = tree.mount + (path.isAbsolute ? "" : Self.divisible(tree))
            let (directory, existed) = try Self.descend(
                base, path.components, &made, prepare: Self.enableControllers,
                settle: { _, _ throws(SystemError) in })
            if existed { try Self.refuseOccupied(directory) }
            try Self.makeUsable(directory, request)
            directories[Self.unified] = directory
        } catch {
            // Beside v1 hierarchies with the controllers it only kills and counts.
            if host.layout == .hybrid, [EACCES, EPERM, EROFS].contains(error.errno) {
                notes.append("no cgroup in the v2 tree: \(error)")
                return
            }
            try excuse(error, request)
        }
    }

    /// Where a relative path begins. The runtime's own cgroup has the runtime in it and cannot be divided ("no internal
    /// process constraint"); the one above it can, unless it is the machine's.
    private static func divisible(_ tree: CgroupHost.Hierarchy) -> String {
        guard tree.own != "" else { return "" }
        let parent = String(tree.own[..<(tree.own.lastIndex(of: "/") ?? tree.own.startIndex)])
        return access(tree.mount + parent + "/cgroup.procs", W_OK) == 0 ? parent : tree.own
    }

    /// Hands all controllers that `directory` has to its children. What cannot be handed on is missed where it is asked for.
    static func enableControllers(_ directory: String) throws(SystemError) {
        let file = directory + "/cgroup.subtree_control"
        let enabled = Set(CgroupFile.words(file))
        let missing = CgroupFile.words(directory + "/cgroup.controllers").filter {
            !enabled.contains($0)
        }
        // With processes in it, some controllers could be enabled even so, and would turn it into a domain of threads. The
        // top is exempt; it alone has no type.
        guard !missing.isEmpty,
            !Files.exists(directory + "/cgroup.type")
                || CgroupFile.words(directory + "/cgroup.procs").isEmpty
        else { return }
        do throws(SystemError) {
            try CgroupFile.write(file, missing.map { "+" + $0 }.joined(separator: " "))
        } catch {
            // A single refusal is one of all: cpu is refused where real-time processes run.
            for controller in missing { try? CgroupFile.write(file, "+" + controller) }
        }
    }

    /// Beneath a threaded cgroup a new one is of no use until it is threaded, too, and that only some controllers can be.
    private static func makeUsable(_ directory: String, _ request: CgroupRequest)
        throws(SystemError)
    {
        guard CgroupFile.text(directory + "/cgroup.type").hasPrefix("domain invalid") else {
            return
        }
        let threaded = ["linux.resources.cpu.", "linux.resources.pids."]
        if let field = request.resources?.limitFields.first(where: { field in
            !threaded.contains { field.hasPrefix($0) }
        }) {
            throw SystemError(
                "set", field, errno: EOPNOTSUPP,
                hint: "\(directory) lies in a threaded cgroup, where only cpu and pids are limited")
        }
        try CgroupFile.write(directory + "/cgroup.type", "threaded")
    }
}

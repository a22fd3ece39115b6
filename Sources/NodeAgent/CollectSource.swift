internal import JobModel
internal import LinuxSystem
internal import NodeLink

/// Where the files that a container wrote in its working directory are found from outside.
enum CollectSource: Hashable {
    /// In the container's writable layer, at this path.
    case layer(String)
    /// A directory of the machine that was bound over the working directory, and the path within it.
    case machine(String, String)
    /// Nowhere: a tmpfs that ended with the container, or a directory that it could not write.
    case nothing

    init(_ spec: JobSpec, workingDirectory: String) {
        let here = Self.components(workingDirectory)
        // The deepest mount covers those above it; of two at one place, the later one.
        let cover = spec.mounts.enumerated().filter {
            here.starts(with: Self.components($0.element.destination))
        }.max { a, b in
            let (x, y) = (
                Self.components(a.element.destination).count,
                Self.components(b.element.destination).count
            )
            return (x, a.offset) < (y, b.offset)
        }?.element
        guard let cover else {
            self = .layer("/" + here.joined(separator: "/"))
            return
        }
        guard cover.kind == .bind, !cover.readOnly else {
            self = .nothing
            return
        }
        let rest = here.dropFirst(Self.components(cover.destination).count)
        self = .machine(cover.source, "/" + rest.joined(separator: "/"))
    }

    private static func components(_ path: String) -> [String] {
        path.split(separator: "/").map(String.init).filter { $0 != "." }
    }
}

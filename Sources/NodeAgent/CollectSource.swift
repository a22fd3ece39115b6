internal import Glibc
internal import JobModel
internal import LinuxSystem
internal import NodeLink
internal import OCISpec

/// Where the files that a container wrote in its working directory are found from outside.
enum CollectSource: Hashable {
    /// In the container's writable layer, at this path.
    case layer(String)
    /// A directory of the machine that was bound over the working directory, and the path within it.
    case machine(String, String)
    /// In what a container wrote to its own copy of a mount, by the mount's place in the spec, and the path within it.
    case copy(Int, String)
    /// Nowhere, and why.
    case nothing(String)

    init(_ template: JobTemplate) {
        let here = Self.components(Self.workingDirectory(template))
        // The deepest mount covers those above it; of two at one place, the later one.
        let cover = template.spec.mounts.enumerated().filter {
            here.starts(with: Self.components($0.element.destination))
        }.max { a, b in
            let (x, y) = (
                Self.components(a.element.destination).count,
                Self.components(b.element.destination).count
            )
            return (x, a.offset) < (y, b.offset)
        }
        guard let (place, cover) = cover else {
            self = Self.root(template, "/" + here.joined(separator: "/"))
            return
        }
        let rest = here.dropFirst(Self.components(cover.destination).count)
        self =
            switch cover.kind {
            case .tmpfs: .nothing("\(cover.destination) is a tmpfs, which ended with the task")
            case .bind where cover.readOnly: .nothing("\(cover.destination) is mounted read-only")
            case .bind where template.copies?.contains(place) == true:
                .copy(place, "/" + rest.joined(separator: "/"))
            case .bind: .machine(cover.source, "/" + rest.joined(separator: "/"))
            }
    }

    func isCopy(_ place: Int) -> Bool {
        if case .copy(place, _) = self { true } else { false }
    }

    private static func root(_ template: JobTemplate, _ path: String) -> CollectSource {
        switch template.root {
        case .host: .nothing("the machine's own root is read-only")
        case .layers where template.spec.readOnlyRoot: .nothing("the root is read-only")
        case .layers: .layer(path)
        }
    }

    private static func workingDirectory(_ template: JobTemplate) -> String {
        if let directory = template.spec.workdir { return directory }
        if case .layers(_, let image) = template.root { return image.workingDirectory }
        return "/"
    }

    /// What is mounted below the working directory, by its path there: the files beneath are not what the task saw. With what is
    /// to be said of those that the task may have written.
    static func covered(_ template: JobTemplate) -> [[String]: String?] {
        let here = components(workingDirectory(template))
        var covered: [[String]: String?] = [:]
        for mount in template.spec.mounts {
            let there = components(mount.destination)
            guard there.count > here.count, there.starts(with: here) else { continue }
            let mayWrite = mount.kind == .tmpfs || !mount.readOnly
            covered[Array(there.dropFirst(here.count))] =
                mayWrite
                ? "\(mount.destination) is a mount of its own; it is not collected"
                : nil
                    as String?
        }
        return covered
    }

    /// Whether `path` leads over a symbolic link in the image: then the writable layer has the files at another place.
    static func leadsOverLink(_ path: String, in layers: [String]) -> Bool {
        for layer in layers.reversed() {
            do throws(SystemError) {
                let root = try OwnedFD.open(layer, RootedPath.openPath)
                _ = try RootedPath.open(
                    root: root.raw, path, RootedPath.openPath, followLinks: false)
                return false
            } catch {
                if error.errno == ELOOP { return true }
                // This layer has no such path: one below it may.
            }
        }
        return false
    }

    private static func components(_ path: String) -> [String] {
        path.split(separator: "/").map(String.init).filter { $0 != "." }
    }
}

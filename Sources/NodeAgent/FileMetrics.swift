internal import Glibc
internal import JobModel
internal import LinuxSystem

/// Metrics that an attempt left in files below its results: JSON, or one number.
enum FileMetrics {
    /// Bytes of a file; a larger one has no metrics.
    static let limit = 1 << 20

    static func values(of goals: [MetricGoal], in results: String) -> [String: Double] {
        var values: [String: Double] = [:]
        var files: [String: [UInt8]] = [:]
        for goal in goals {
            guard case .file(let path, let key) = goal.source else { continue }
            let bytes = files[path] ?? read(path, in: results)
            files[path] = bytes
            values[goal.name] = number(in: bytes[...], at: key, of: goal.name)
        }
        return values
    }

    static func number(in bytes: ArraySlice<UInt8>, at key: String?, of name: String) -> Double? {
        var scanner = JSONScanner(bytes)
        let isDocument = scanner.startsNested
        guard let key else {
            let number = scanner.number(at: isDocument ? [name[...]] : [])
            return isDocument || scanner.rest.isEmpty ? number : nil
        }
        return isDocument
            ? scanner.number(at: key.split(separator: ".", omittingEmptySubsequences: false)) : nil
    }

    /// The task made all of it, links and devices included: no link leads out of the results, and only a regular file is opened.
    /// What cannot be read has nothing in it.
    private static func read(_ path: String, in results: String) -> [UInt8] {
        var status = stat()
        guard
            let root = try? OwnedFD.open(
                results, RootedPath.openPath | O_DIRECTORY | O_NOFOLLOW),
            let place = try? RootedPath.open(root: root.raw, path, RootedPath.openPath),
            fstat(place.raw, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
            status.st_size <= limit,
            // The very file that was looked at.
            let file = try? OwnedFD.open("/proc/self/fd/\(place.raw)", O_RDONLY | O_NONBLOCK),
            let bytes = try? Files.read(file.raw, path, limit: limit)
        else { return [] }
        return bytes
    }
}

internal import FoundationEssentials
internal import Glibc
internal import LinuxSystem
package import OCISpec

/// Who needs an image's layers where they are: as long as one does, no removal takes them away.
public enum ImageUser: Sendable, Hashable, Codable {
    /// A job of the server with this state directory, until it is released.
    case job(Int64, stateDirectory: String)
    /// A mount on this directory, until it is unmounted.
    case mount(String)
    /// A process, until it has ended; the second number is when it was started, of proc_pid_stat(5).
    case process(Int32, started: Int64)

    /// For people.
    public var description: String {
        switch self {
        case .job(let id, _): "job \(id)"
        case .mount(let path): "the mount on \(path)"
        case .process(let pid, _): "process \(pid)"
        }
    }

    /// How to end the use.
    package var hint: String {
        switch self {
        case .job(let id, _): "wait for it, or martlet cancel \(id)"
        case .mount(let path): "martlet image unmount \(path)"
        case .process: "wait until it has ended"
        }
    }
}

/// One use, as it is written down.
package struct ImageUse: Codable, Sendable, Hashable {
    package var user: ImageUser
    /// Of the machine where it is in use: only there it can be told whether it still is.
    var host: String
    /// The reference, for people.
    package var reference: String
    /// Digest of the manifest.
    package var manifest: Digest

    package init(user: ImageUser, host: String, reference: String, manifest: Digest) {
        self.user = user
        self.host = host
        self.reference = reference
        self.manifest = manifest
    }

    /// False where it is known to have ended without having been taken back.
    var isAlive: Bool {
        guard host == StoreNode.hostName else { return true }
        switch user {
        case .job(_, let state): return Files.exists(state)
        case .mount(let path): return MountTable.isMounted(path)
        // Gone, or another one of the same number.
        case .process(let pid, let started): return ProcessStat(pid)?.startTime == started
        }
    }
}

/// One small file per use, named by the digest of its user.
package struct UseStore: Sendable {
    let paths: StorePaths
    package init(paths: StorePaths) { self.paths = paths }

    private func path(_ user: ImageUser, _ host: String) -> String {
        let name =
            switch user {
            case .job(let id, let state): "job \(id) \(state)"
            case .mount(let path): "mount \(path)"
            case .process(let pid, let started): "process \(pid) \(started)"
            }
        return paths.uses + "/" + digestOf("\(name) \(host)".utf8).hex
    }

    package func put(_ use: ImageUse) throws(ImageError) {
        guard let bytes = try? DocumentEncoder.bytes(use) else {
            throw ImageError(.system, "remember the use of", use.reference, "it cannot be encoded")
        }
        do throws(SystemError) {
            try Files.makeDirectories(paths.uses, mode: 0o700)
            // After a crash of the machine nobody uses anything.
            try Files.writeAtomically(path(use.user, use.host), bytes, durable: false)
        } catch {
            throw ImageError(system: error, "remember the use of \(use.reference)")
        }
    }

    package func remove(_ user: ImageUser) { unlink(path(user, StoreNode.hostName)) }

    /// All that have not ended, and the paths of those that cannot be read: nobody knows what these need.
    package func all() -> (uses: [ImageUse], damaged: [String]) {
        var uses: [ImageUse] = []
        var damaged: [String] = []
        for path in files {
            guard let use = read(path) else {
                // One that goes meanwhile is none any more.
                if Files.exists(path) { damaged.append(path) }
                continue
            }
            if use.isAlive { uses.append(use) }
        }
        return (uses, damaged)
    }

    /// Forgets those that ended without having been taken back, and those for which `isOver` holds.
    package func sweep(_ isOver: (ImageUse) -> Bool = { _ in false }) {
        for path in files {
            if let use = read(path), !use.isAlive || isOver(use) { unlink(path) }
        }
    }

    /// Ends every use of this server's jobs but those of `jobs`: what an earlier process of it did not take back.
    package func releaseJobs(of stateDirectory: String, but jobs: Set<Int64>) {
        sweep { use in
            guard case .job(let id, stateDirectory) = use.user else { return false }
            return !jobs.contains(id)
        }
    }

    private var files: [String] {
        // No directory yet, no uses.
        let names = (try? Files.names(in: paths.uses)) ?? []
        return names.filter { Digest(hex: $0) != nil }.map { paths.uses + "/" + $0 }
    }

    private func read(_ path: String) -> ImageUse? {
        guard let bytes = try? Files.read(path) else { return nil }
        return try? JSONDecoder().decode(ImageUse.self, from: Data(bytes))
    }
}

enum MountTable {
    /// Whether a path of this mount namespace is a mount point, by proc_pid_mountinfo(5), where blanks are octal.
    static func isMounted(_ path: String) -> Bool {
        guard let text = try? Files.text("/proc/self/mountinfo", limit: 16 << 20) else {
            return true
        }
        let escaped = path.utf8.reduce(into: "") { result, byte in
            let isPlain = byte != 32 && byte != 9 && byte != 10 && byte != 92
            result += isPlain ? String(UnicodeScalar(byte)) : "\\0" + String(byte, radix: 8)
        }
        return text.split(separator: "\n").contains { line in
            let fields = line.split(separator: " ", maxSplits: 5)
            return fields.count > 4 && fields[4] == escaped
        }
    }
}

internal import Glibc
internal import JobModel
internal import Layers
internal import LinuxSystem
internal import NodeLink
internal import Threads
internal import TreeSync

/// Brings directories of this machine to nodes, each as it was when the job first needed it elsewhere: all nodes of a job have the same.
final class MountDelivery: Sendable {
    private struct Key: Hashable, Sendable {
        let job: JobID
        let source: String
    }
    private enum Survey: Sendable {
        case underway
        /// Nobody may have it differently any more where a node has it whole.
        case done(SurveyedTree, isBinding: Bool)
    }
    private let directories: Directories
    private let budget: Int64?
    private let surveys = Monitor<[Key: Survey]>([:])

    private let warn: @Sendable (String) -> Void
    private let look: @Sendable (String) throws(SystemError) -> TreeWitness

    /// - Parameters:
    ///   - budget: bytes that a node's trees may have; nil leaves that to the node.
    ///   - warn: gets what people should know of what is brought.
    ///   - look: how this machine sees a source.
    init(
        _ directories: Directories, budget: Int64?,
        warn: @escaping @Sendable (String) -> Void = { _ in },
        look: @escaping @Sendable (String) throws(SystemError) -> TreeWitness = {
            path throws(SystemError) in try TreeWitness(path)
        }
    ) {
        self.directories = directories
        self.look = look
        self.warn = warn
        self.budget = budget
    }

    /// Nothing of the job will be asked for any more, unless it is retried: then what is there by then is looked at.
    func forget(_ job: JobID) {
        surveys.withLock { $0 = $0.filter { $0.key.job != job } }
        let folder = folder(job)
        // None, for most jobs.
        for name in (try? Files.names(in: folder)) ?? [] { unlink(folder + "/" + name) }
        rmdir(folder)
    }

    /// Returns where the node has it. Blocks. The channel, of a stream that was opened for a tree, is closed at the end.
    func bring(
        _ source: String, for job: JobID, over channel: DeliveryChannel,
        note: @escaping @Sendable (String) -> Void = { _ in },
        _ progress: @escaping @Sendable (String) -> Void
    ) throws(TreeError) -> NodeSupplies.Mount {
        defer { channel.close() }
        var line = TreeLine(
            source, write: channel.write, read: channel.read, progress: progress)
        let witness: TreeWitness
        do throws(SystemError) { witness = try look(source) } catch {
            throw TreeError(error)
        }
        let limit: Int64?
        switch try line.look(witness) {
        case .same(let path): return .init(path: path, isShared: true)
        case .none(let room): limit = [room, budget].compactMap { $0 }.min()
        }
        let key = Key(job: job, source: source)
        let (tree, isBinding) = try survey(key, limit, progress)
        if let text = Self.leftOut(tree) { note(text) }
        do throws(TreeError) {
            let path = try line.bring(tree, for: job, budget: budget)
            bind(key, tree)
            let name = RootedPath.split(source).name
            return .init(
                path: tree.manifest.isFile ? "\(path)/\(name)" : path, isShared: false)
        } catch {
            guard error.kind == .changed else { throw error }
            guard isBinding else {
                // No node has it: the next try surveys it anew.
                surveys.withLock { $0[key] = nil }
                throw error
            }
            throw TreeError(
                .changed, error.reason + ", and other nodes of the job have it as it was",
                hint: "put it back, or submit the job again")
        }
    }

    // MARK: Surveys

    /// One for each job and source, however many nodes ask.
    private func survey(
        _ key: Key, _ limit: Int64?, _ progress: @escaping @Sendable (String) -> Void
    ) throws(TreeError) -> (SurveyedTree, isBinding: Bool) {
        let known: (SurveyedTree, isBinding: Bool)? = surveys.wait { surveys in
            switch surveys[key] {
            case .underway: return nil
            case .done(let tree, let isBinding): return .some((tree, isBinding))
            case nil:
                surveys[key] = .underway
                return .some(nil)
            }
        }
        if let known { return known }
        do throws(TreeError) {
            let (tree, isBinding): (SurveyedTree, Bool)
            if let kept = kept(key) {
                (tree, isBinding) = (kept, true)
            } else {
                (tree, isBinding) = (try run(key.source, limit, progress), false)
            }
            surveys.withLock { $0[key] = .done(tree, isBinding: isBinding) }
            return (tree, isBinding)
        } catch {
            surveys.withLock { $0[key] = nil }
            throw error
        }
    }

    private func run(
        _ source: String, _ limit: Int64?, _ progress: @escaping @Sendable (String) -> Void
    ) throws(TreeError) -> SurveyedTree {
        let folder = directories.data + "/surveys"
        // Without it everything is read.
        try? Files.makePrivateDirectory(folder)
        Self.sweep(folder)
        let tree = try TreeSurvey.run(
            source, cache: "\(folder)/\(Self.name(source))", limit: limit,
            // This server's own change all the time, and are nobody's data.
            without: [directories.state, directories.data, directories.run]
        ) { files, bytes in
            let read = bytes == 0 ? "" : ", \(DecimalSize.text(bytes)) read"
            progress("waits for the mount \(source) to be looked through: \(files) files\(read)")
        }
        if let text = Self.leftOut(tree) { warn(text) }
        return tree
    }

    /// What a node does not get of a tree, for people; nil where it gets all.
    static func leftOut(_ tree: SurveyedTree) -> String? {
        guard !tree.skipped.isEmpty else { return nil }
        let (count, shown) = (tree.skipped.count, tree.skipped.prefix(3).joined(separator: ", "))
        let more = count > 3 ? " and \(count - 3) more" : ""
        let what =
            count == 1 ? "1 socket, pipe or device is" : "\(count) sockets, pipes or devices are"
        return "mount \(tree.source): \(what) not on other machines: \(shown)\(more)"
    }

    /// Sources whose last survey is remembered.
    private static let mostSurveys = 200

    /// Of those that were looked at longest ago nothing is remembered.
    private static func sweep(_ folder: String) {
        let names = (try? Files.names(in: folder)) ?? []
        guard names.count > mostSurveys else { return }
        let dated = names.map { name -> (time: Int, path: String) in
            var status = stat()
            return (
                stat(folder + "/" + name, &status) == 0 ? status.st_mtim.tv_sec : 0,
                folder + "/" + name
            )
        }
        for (_, path) in dated.sorted(by: { $0 < $1 }).dropLast(mostSurveys) { unlink(path) }
    }

    // MARK: What nodes have

    /// A server that comes after this one gives further nodes the same.
    private func bind(_ key: Key, _ tree: SurveyedTree) {
        let isNew = surveys.withLock { surveys in
            guard case .done(_, false) = surveys[key] else { return false }
            surveys[key] = .done(tree, isBinding: true)
            return true
        }
        guard isNew else { return }
        let path = path(key)
        // Without it a later server looks anew, and nodes that it reaches first could have it otherwise.
        try? Files.makeDirectories(RootedPath.split(path).parent)
        try? Files.writeAtomically(path, tree.bytes, mode: 0o600)
    }

    private func kept(_ key: Key) -> SurveyedTree? {
        guard let bytes = try? Files.read(path(key), limit: TreeOrder.longestManifest) else {
            return nil
        }
        return try? SurveyedTree(source: key.source, bytes: bytes)
    }

    private func path(_ key: Key) -> String {
        folder(key.job) + "/\(Self.name(key.source)).tree"
    }

    private func folder(_ job: JobID) -> String {
        directories.jobDirectory(job.rawValue) + "/mounts"
    }

    private static func name(_ source: String) -> String {
        String(ChunkSum(of: Array(source.utf8)).hex.prefix(32))
    }
}

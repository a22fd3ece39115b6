internal import ContainerRuntime
internal import Glibc
internal import JobModel
internal import LinuxSystem
internal import NodeLink
internal import OCISpec

/// Brings the files of one ended attempt that match the spec's `collect` patterns into its results, a slice at a time.
///
/// They are the task's own work: every step goes by descriptor, links are neither followed nor copied, and only regular files
/// are read.
final class Collection {
    let finisher: TaskFinisher
    let exit: ContainerExit
    private let layer: Int32?
    private var state = State.finding
    /// What could not be brought back, and why.
    private var problems: [String] = []

    private enum State {
        case finding
        /// What is left to copy, the next one last.
        case copying(from: Int32, [[String]], FileCopy?)
        case done
    }

    init(_ finisher: TaskFinisher, _ exit: ContainerExit, _ layer: consuming OwnedFD?) {
        self.finisher = finisher
        self.exit = exit
        self.layer = layer.take()?.release()
    }

    deinit {
        if let layer { close(layer) }
        if case .copying(let root, _, _) = state { close(root) }
    }

    /// Does a bounded piece of the work; true when all is done. Throws only where the disk is full: then the same piece is done
    /// again by the next call.
    func step() throws(SystemError) -> Bool {
        switch state {
        case .finding: try find()
        case .copying(let root, let files, let open): try copy(from: root, files, open)
        case .done: break
        }
        guard case .done = state else { return false }
        try report()
        return true
    }

    private func find() throws(SystemError) {
        do throws(SystemError) {
            guard let root = try openSource() else {
                state = .done
                return
            }
            let files = try FileMatches(finisher.template.spec.collect).find(in: root.raw)
            state = .copying(from: root.release(), files.reversed(), nil)
        } catch { try give(up: error, then: .done) }
    }

    private func copy(from root: Int32, _ files: [[String]], _ open: FileCopy?) throws(SystemError)
    {
        guard let next = files.last else {
            close(root)
            state = .done
            return
        }
        do throws(SystemError) {
            let results = finisher.directories.results
            let file: FileCopy
            if let open { file = open } else { file = try FileCopy(from: root, next, to: results) }
            state = .copying(from: root, files, file)
            if try file.step() { state = .copying(from: root, files.dropLast(), nil) }
        } catch {
            // From its beginning, if it is copied again.
            state = .copying(from: root, files, nil)
            try give(up: error, then: .copying(from: root, files.dropLast(), nil))
        }
    }

    /// A file that cannot be brought back does not keep the others from it; a full disk is waited for.
    private func give(up error: SystemError, then next: State) throws(SystemError) {
        if error.isDiskFull { throw error }
        problems.append("\(error)\n")
        state = next
    }

    /// Told where the person looks for the files.
    private func report() throws(SystemError) {
        guard !problems.isEmpty else { return }
        let path = finisher.directories.results + "/collect.error"
        do throws(SystemError) {
            try Files.writeAtomically(path, problems.joined().utf8, durable: false)
        } catch {
            if error.isDiskFull { throw error }
            note("\(path): \(error)")
        }
    }

    /// The working directory as the task left it; nil where it left none.
    private func openSource() throws(SystemError) -> OwnedFD? {
        let template = finisher.template
        var directory = template.spec.workdir ?? "/"
        if template.spec.workdir == nil, case .layers(_, let image) = template.root {
            directory = image.workingDirectory
        }
        switch CollectSource(template.spec, workingDirectory: directory) {
        case .nothing: return nil
        case .layer(let inside):
            // The machine's own root is read-only, and a layer that ended with its launcher is gone.
            guard let layer else { return nil }
            return try Self.directory(inside, in: layer)
        case .machine(let source, let rest):
            let root = try OwnedFD.open(source, O_RDONLY | O_DIRECTORY)
            return try Self.directory(rest, in: root.raw)
        }
    }

    private static func directory(_ path: String, in root: Int32) throws(SystemError) -> OwnedFD? {
        do throws(SystemError) {
            return try RootedPath.open(
                root: root, path, O_RDONLY | O_DIRECTORY, followLinks: false)
        } catch {
            // The task wrote nothing there.
            if error.errno == ENOENT { return nil }
            throw error
        }
    }
}

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
    private var state = State.opening
    /// What could not be brought back, and why.
    private var problems: [String] = []
    private var problemCount = 0
    /// Lines of `collect.error`; a broken tree has the same ones again and again.
    private static let mostProblems = 100

    private enum State {
        case opening
        case finding(in: Int32, FileWalk)
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
        switch state {
        case .finding(let root, _), .copying(let root, _, _): close(root)
        case .opening, .done: break
        }
    }

    /// Does a bounded piece of the work; true when all is done. Throws only where the disk is full or too many files are open:
    /// then the same piece is done again by the next call.
    func step() throws(SystemError) -> Bool {
        switch state {
        case .opening: try begin()
        case .finding(let root, let walk): try find(in: root, walk)
        case .copying(let root, let files, let open): try copy(from: root, files, open)
        case .done: break
        }
        guard case .done = state else { return false }
        try report()
        return true
    }

    private func begin() throws(SystemError) {
        let template = finisher.template
        do throws(SystemError) {
            guard let root = try openSource() else {
                state = .done
                return
            }
            let walk = FileWalk(
                template.spec.collect, in: root.raw, covered: CollectSource.covered(template))
            state = .finding(in: root.release(), walk)
        } catch { try give(up: error, then: .done) }
    }

    private func find(in root: Int32, _ walk: FileWalk) throws(SystemError) {
        do throws(SystemError) {
            guard try walk.step() else { return }
            add(walk.takeProblems())
            state = .copying(from: root, walk.found.reversed(), nil)
        } catch {
            add(walk.takeProblems())
            // Nothing is copied: the directory goes with this collection.
            try give(up: error, then: .copying(from: root, [], nil))
        }
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

    /// A file that cannot be brought back does not keep the others from it; a shortage is waited for.
    private func give(up error: SystemError, then next: State) throws(SystemError) {
        if error.isShortage { throw error }
        add(["\(error)"])
        state = next
    }

    private func add(_ more: [String]) {
        problemCount += more.count
        problems += more.prefix(Self.mostProblems - problems.count)
    }

    /// Told where the person looks for the files.
    private func report() throws(SystemError) {
        guard !problems.isEmpty else { return }
        let path = finisher.directories.results + "/collect.error"
        let rest = problemCount - problems.count
        let lines = problems + (rest > 0 ? ["and \(rest) more"] : [])
        do throws(SystemError) {
            try Files.writeAtomically(
                path, lines.map { $0 + "\n" }.joined().utf8, durable: false)
        } catch {
            if error.isShortage { throw error }
            note("\(path): \(error)")
        }
    }

    /// The working directory as the task left it; nil where it left none.
    private func openSource() throws(SystemError) -> OwnedFD? {
        switch CollectSource(finisher.template) {
        case .nothing(let why):
            add(["nothing is collected from the working directory: \(why)"])
            return nil
        case .layer(let inside):
            guard let layer else {
                add(["the files to collect went with the launcher"])
                return nil
            }
            if let directory = try Self.directory(inside, in: layer) { return directory }
            if case .layers(let layers, _) = finisher.template.root,
                CollectSource.leadsOverLink(inside, in: layers)
            {
                add(["nothing is collected: \(inside) leads over a symbolic link"])
            }
            return nil
        case .copy(_, let rest):
            guard let layer else {
                add(["the files to collect went with the launcher"])
                return nil
            }
            return try Self.directory(rest, in: layer)
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
